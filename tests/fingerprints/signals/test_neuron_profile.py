"""Angles between the neurons of one layer: exact on strangers, awake under rotations that hide the neurons."""

from __future__ import annotations

import numpy as np
from scipy import stats
from scipy.stats import ortho_group

from fingerprints.anatomy import build_anatomy
from fingerprints.groups import AxisTest
from fingerprints.measurement import MeasureSettings, measure
from fingerprints.pairing import pair_parts
from tests.checkpoints import llama_shapes
from tests.in_memory import InMemory, gaussian

Values = dict[str, np.ndarray]
WIDTH, NEURONS = 64, 160
SHAPES = llama_shapes(layers=2, hidden=WIDTH, mlp=NEURONS, heads=4, kv_heads=4, vocabulary=150)
WRITTEN = ("o_proj", "down_proj")


def profiled(a: Values, b: Values) -> list[AxisTest]:
    sides = InMemory(a), InMemory(b)
    anatomies = build_anatomy(sides[0]), build_anatomy(sides[1])
    found = measure(pair_parts(*anatomies), anatomies, sides, MeasureSettings(layers=None))
    return [test for test in found.tests if test.signal == "neuron_profile"]


def rotated(values: Values, seed: int = 3) -> Values:
    """Gains folded into what reads the stream, and the stream in another basis."""
    q = ortho_group(WIDTH, seed=seed).rvs()
    found = {}
    for name, value in values.items():
        if value.ndim == 1:
            found[name] = np.ones_like(value)
        elif any(part in name for part in WRITTEN):
            found[name] = (q.T @ value).astype(np.float32)
        else:
            layer = name.partition(".self_attn")[0].partition(".mlp")[0]
            norm = "post_attention_layernorm" if ".mlp." in name else "input_layernorm"
            gain = values.get(f"{layer}.{norm}.weight", np.ones(WIDTH))
            found[name] = (value * gain @ q).astype(np.float32)
    return found


def permuted(values: Values) -> Values:
    order = np.random.default_rng(4).permutation(NEURONS)
    return {
        name: value[order]
        if "gate_proj" in name or "up_proj" in name
        else value[:, order]
        if "down_proj" in name
        else value
        for name, value in values.items()
    }


def test_p_values_of_strangers_are_uniform() -> None:
    zs: list[float] = []
    for seed in range(20):
        tests = profiled(gaussian(SHAPES, 2 * seed), gaussian(SHAPES, 2 * seed + 1))
        assert tests
        assert all(test.log10_p > -6 for test in tests)
        zs += [test.statistics.z for test in tests if test.scope == "tensor"]
    assert stats.kstest(zs, "norm").pvalue > 1e-3
    assert stats.kstest(stats.chi2.cdf(np.square(zs), 1), "uniform").pvalue > 1e-3


def test_a_rotation_with_folded_gains_hides_nothing() -> None:
    tests = [test for test in profiled(gaussian(SHAPES, 0), rotated(gaussian(SHAPES, 0))) if test.scope == "tensor"]
    assert {name.split(".")[-2] for test in tests for name in test.tensors} == {"gate_proj", "up_proj"}
    assert all(test.log10_p < -20 and test.statistics.effect > 0.99 for test in tests)


def test_a_rotated_stranger_is_a_stranger() -> None:
    for seed in range(5):
        tests = profiled(gaussian(SHAPES, 0), rotated(gaussian(SHAPES, seed + 1), seed))
        assert all(test.log10_p > -6 for test in tests)


def test_permuted_neurons_defeat_it() -> None:
    tests = profiled(gaussian(SHAPES, 0), permuted(gaussian(SHAPES, 0)))
    assert all(test.log10_p > -6 for test in tests)
