"""The same positions on both sides, and features that are what they say."""

from __future__ import annotations

import numpy as np
import pytest

from fingerprints.anatomy import build_anatomy
from fingerprints.axes import AxisPlan, plan_axes
from fingerprints.pairing import Pair, pair_parts
from fingerprints.samples import PairSample, SampleSettings, axis_features, read_sample, read_vectors
from fingerprints.sampling import Half, in_half, units
from tests import architectures
from tests.checkpoints import Shapes, llama_shapes
from tests.in_memory import InMemory, gaussian

SETTINGS = SampleSettings(rows=48)
LLAMA = llama_shapes(layers=1, hidden=96, mlp=400, heads=4, kv_heads=4, vocabulary=500)
UP, DOWN = "model.layers.0.mlp.up_proj.weight", "model.layers.0.mlp.down_proj.weight"
Look = tuple[Pair, AxisPlan, InMemory, InMemory]


def look(shapes: Shapes, name: str, other: Shapes | None = None) -> Look:
    left, right = InMemory(gaussian(shapes, 0)), InMemory(gaussian(other or shapes, 1))
    anatomies = build_anatomy(left), build_anatomy(right)
    pairs = pair_parts(*anatomies).pairs
    pair = next(pair for pair in pairs if pair.a.name == name)
    return pair, plan_axes(pairs, *anatomies)[name], left, right


def sample(looked: Look, settings: SampleSettings = SETTINGS) -> PairSample:
    return read_sample(*looked, settings)


@pytest.mark.parametrize("half", Half)
def test_rows_are_read_at_equal_positions_and_no_others(half: Half) -> None:
    looked = look(LLAMA, UP)
    settings = SampleSettings(rows=48, half=half)
    found = sample(looked, settings)
    pair, _, left, right = looked
    assert left.taken == right.taken == [(UP, tuple(found.rows.tolist()))]
    np.testing.assert_array_equal(found.rows, units(400, 48, half=half))
    np.testing.assert_array_equal(found.a[0, :, :, 0], left.arrays[UP][found.rows])
    for test in looked[1].tests:
        positions, x, y = axis_features(found, test, settings)
        assert in_half(positions, half).all()
        whole = [side.arrays[pair.a.name][found.rows] for side in (left, right)]
        expected = [
            side[np.searchsorted(found.rows, positions)] if test.axis == 0 else side[:, positions].T for side in whole
        ]
        np.testing.assert_array_equal(x, expected[0])
        np.testing.assert_array_equal(y, expected[1])


def test_gains_are_folded_into_the_other_axis() -> None:
    looked = look(LLAMA, UP)
    gains = np.linspace(1, 2, 96, dtype=np.float32), np.linspace(3, 1, 96, dtype=np.float32)
    found = sample(looked)
    (neurons,) = [test for test in looked[1].tests if test.kind == "neuron"]
    plain = axis_features(found, neurons, SETTINGS)
    folded = axis_features(found, neurons, SETTINGS, fold=(lambda part: gains[0], lambda part: gains[1]))
    np.testing.assert_allclose(folded[1], plain[1] * gains[0])
    np.testing.assert_allclose(folded[2], plain[2] * gains[1])


def test_of_unequal_widths_the_leading_units_are_compared() -> None:
    wider = llama_shapes(layers=1, hidden=128, mlp=640, heads=4, kv_heads=4, vocabulary=500)
    looked = look(LLAMA, DOWN, wider)
    found = sample(looked)
    for test in looked[1].tests:
        positions, x, y = axis_features(found, test, SETTINGS)
        assert x.shape == y.shape
        assert positions.max() < test.units == {"residual": 96, "neuron": 400}[test.kind]


def test_all_gates_of_a_unit_are_its_features() -> None:
    looked = look(architectures.lstm(hidden=40, inputs=12), "lstm.weight_ih_l0")
    found = sample(looked)
    (test,) = [test for test in looked[1].tests if test.axis == 0]
    positions, x, _ = axis_features(found, test, SETTINGS)
    weights = looked[2].arrays["lstm.weight_ih_l0"].reshape(4, 40, 12)
    np.testing.assert_array_equal(x, weights[:, positions].transpose(1, 0, 2).reshape(len(positions), 48))


def test_filters_are_features_with_all_their_taps() -> None:
    looked = look(architectures.resnet(), "layer2.1.conv1.weight")
    found = sample(looked)
    weights = looked[2].arrays["layer2.1.conv1.weight"]
    for test in looked[1].tests:
        positions, x, _ = axis_features(found, test, SETTINGS)
        rest = np.setdiff1d(np.arange(32), positions)
        expected = weights[positions][:, rest] if test.axis == 0 else weights[rest][:, positions].swapaxes(0, 1)
        np.testing.assert_array_equal(np.sort(x, axis=1), np.sort(expected.reshape(len(positions), -1), axis=1))


def test_an_identity_in_a_matrix_keeps_its_two_axes_apart() -> None:
    shapes: Shapes = {f"net.{k}.weight": size for k, size in enumerate([(64, 96), (96, 64), (64, 96)])}
    looked = look(shapes, "net.1.weight")
    assert not sample(looked).diagonal
    looked[2].arrays["net.1.weight"][:64] += np.eye(64, dtype=np.float32)
    found = sample(looked)
    assert found.diagonal
    for test in looked[1].tests:
        positions, x, _ = axis_features(found, test, SETTINGS)
        assert np.abs(x).max() < 0.5, f"no entry of the identity is a feature of {positions}"


def test_complex_entries_are_two_features() -> None:
    values = np.random.default_rng(0).standard_normal((2, 64, 96)).astype(np.float32)
    checkpoint = InMemory({"net.0.weight": (values[0] + 1j * values[1]).astype(np.complex64)})
    anatomy = build_anatomy(checkpoint)
    (pair,) = pair_parts(anatomy, anatomy).pairs
    found = read_sample(pair, AxisPlan(tests=()), checkpoint, checkpoint, SETTINGS)
    np.testing.assert_array_equal(found.a[0], np.moveaxis(values, 0, -1)[found.rows])


def test_vectors_are_read_as_far_as_both_reach() -> None:
    left, right = InMemory({"a.bias": np.arange(5.0)}), InMemory({"a.bias": np.arange(9.0)})
    (pair,) = pair_parts(build_anatomy(left), build_anatomy(right)).pairs
    assert [side.tolist() for side in read_vectors(pair, left, right)] == [[0, 1, 2, 3, 4]] * 2
