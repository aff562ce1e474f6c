"""One permutation group, one test: joined features, merged copies, combined families, and nothing lost on the way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprints import axes
from fingerprints.anatomy import Part, PartKind
from fingerprints.axes import Faces
from fingerprints.checkpoint import TensorInfo
from fingerprints.contribution import Contribution, part_similarity, shares_zero_mask
from fingerprints.groups import AxisTest, Groups
from fingerprints.kernels import index_statistics, normal_ranks, similarity, stouffer, unit_rows
from fingerprints.ordering import Order, windows

M = 48


def contribution(
    name: str,
    x: np.ndarray,
    y: np.ndarray,
    *,
    group: str = "layer 0: neurons",
    family: str = "tower",
    kind: str = "neuron",
    faces: Faces = Faces.PRIVATE,
    order: Order = Order.FREE,
    stacked: bool = False,
    positions: np.ndarray | None = None,
) -> Contribution:
    info = TensorInfo(name=name, shape=(len(x), 8), dtype="F32", shard="memory", nbytes=0)
    part = Part(info=info, template=name, index=(), module=name, kind=PartKind.MATRIX, role="ffn_gate")
    axis = axes.TestAxis(
        axis=0, group=group, kind=kind, family=family, units_a=len(x), units_b=len(x), faces=faces, layer=0
    )
    return Contribution(
        signal="signal",
        axis=axis,
        part=part,
        positions=np.arange(len(x)) if positions is None else positions,
        order=order,
        similarity=None if stacked else similarity(unit_rows(x)[0], unit_rows(y)[0]),
        columns=(normal_ranks(x[:, 0]), normal_ranks(y[:, 0])) if stacked else None,
    )


def features(seed: int, k: int = 24, m: int = M) -> tuple[np.ndarray, np.ndarray]:
    return tuple(np.random.default_rng((seed, k)).standard_normal((2, m, k)))


def finished(*items: Contribution, copies: tuple[tuple[str, str], ...] = ()) -> tuple[list[AxisTest], list]:
    groups = Groups()
    for item in items:
        groups.add(item)
    return groups.finish(copies)


def of_scope(tests: list[AxisTest], scope: str) -> list[AxisTest]:
    return [test for test in tests if test.scope == scope]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(2, 60), min_size=1, max_size=4), st.integers(0, 1000))
def test_the_joint_similarity_is_that_of_the_features_side_by_side(widths: list[int], seed: int) -> None:
    pairs = [features(seed + place, k) for place, k in enumerate(widths)]
    items = [contribution(f"tensor {place}", *pair) for place, pair in enumerate(pairs)]
    tests, untested = finished(*items)
    assert untested == []
    assert [test.subject for test in of_scope(tests, "tensor")] == [f"tensor {place}" for place in range(len(widths))]
    (group,) = of_scope(tests, "group")
    scales = [1 / test.statistics.sigma for test in of_scope(tests, "tensor")]
    joined = [
        np.concatenate([scale * unit_rows(pair[side])[0] for scale, pair in zip(scales, pairs, strict=True)], axis=1)
        for side in (0, 1)
    ]
    c = similarity(unit_rows(joined[0])[0], unit_rows(joined[1])[0])
    expected = index_statistics(c)
    assert group.statistics.hits == expected.hits
    assert group.statistics.z == pytest.approx(expected.z, rel=1e-9, abs=1e-9)
    assert group.statistics.effect == pytest.approx(expected.effect, rel=1e-9, abs=1e-12)
    assert group.tensors == tuple(f"tensor {place}" for place in range(len(widths)))


def test_a_tensor_seen_twice_counts_no_more_than_once() -> None:
    pair = features(0)
    (once,) = of_scope(finished(contribution("one", *pair))[0], "group")
    (twice,) = of_scope(finished(contribution("one", *pair), contribution("two", *pair))[0], "group")
    assert twice.statistics.z == pytest.approx(once.statistics.z)
    assert twice.statistics.hits == once.statistics.hits


def test_copies_inside_one_checkpoint_are_one_group() -> None:
    items = [contribution(f"expert {k}", *features(k), group=f"expert {k}") for k in range(4)]
    apart, _ = finished(*items)
    merged, _ = finished(*items, copies=(("expert 0", "expert 2"), ("expert 3", "expert 2")))
    assert len(of_scope(apart, "group")) == 4
    assert [test.tensors for test in of_scope(merged, "group")] == [("expert 0", "expert 2", "expert 3"), ("expert 1",)]
    together, _ = finished(*(contribution(f"expert {k}", *features(k), group="one") for k in (0, 2, 3)))
    assert of_scope(merged, "group")[0].statistics.z == pytest.approx(of_scope(together, "group")[0].statistics.z)


def test_groups_of_hidden_units_of_one_wiring_are_combined_once_more() -> None:
    items = [contribution(f"layer {k}", *features(k), group=f"layer {k}") for k in range(3)]
    tests, _ = finished(*items)
    groups = of_scope(tests, "group")
    (family,) = of_scope(tests, "family")
    assert family.statistics.z == pytest.approx(stouffer([test.statistics.z for test in groups]))
    assert family.statistics.hits == sum(test.statistics.hits for test in groups)
    assert (family.statistics.units, family.statistics.blocks) == (3 * M, 3)
    assert family.tensors == ("layer 0", "layer 1", "layer 2")


def test_the_residual_stream_and_its_norms_stay_out_of_the_family() -> None:
    residual = contribution("up", *features(1), group="tower: residual stream", kind="residual")
    gains = [
        contribution(f"gain {k}", *features(k, 1), group="tower: residual stream", kind="residual", stacked=True)
        for k in range(3)
    ]
    tests, untested = finished(contribution("gate", *features(0)), residual, *gains)
    assert {test.subject for test in of_scope(tests, "group")} == {
        "layer 0: neurons",
        "tower: residual stream",
        "tower: residual stream (gains, biases, norms)",
    }
    assert of_scope(tests, "family") == []
    assert untested == []


def test_groups_without_a_known_wiring_are_not_combined() -> None:
    items = [contribution(f"layer {k}", *features(k), group=f"layer {k}", family="") for k in range(3)]
    assert of_scope(finished(*items)[0], "family") == []


def test_stacked_vectors_are_one_feature_each() -> None:
    pairs = [features(k, 1) for k in range(5)]
    items = [contribution(f"gain {k}", *pair, stacked=True) for k, pair in enumerate(pairs)]
    (group,) = of_scope(finished(*items)[0], "group")
    sides = [np.stack([normal_ranks(pair[side][:, 0]) for pair in pairs], axis=1) for side in (0, 1)]
    expected = index_statistics(similarity(unit_rows(sides[0])[0], unit_rows(sides[1])[0]))
    assert group.statistics.z == pytest.approx(expected.z)
    assert group.faces is Faces.SHARED


def test_an_ordered_axis_is_tested_among_neighbours_and_a_serial_one_not_at_all() -> None:
    x, y = features(0)
    (group,) = of_scope(finished(contribution("one", x, y, order=Order.TREND))[0], "group")
    c = similarity(unit_rows(x)[0], unit_rows(y)[0])
    assert group.statistics.z == pytest.approx(index_statistics(c, windows(np.arange(M))).z)
    assert group.statistics.blocks == 3
    tests, untested = finished(contribution("one", x, y, order=Order.SERIAL))
    assert tests == []
    assert "resemble each other" in untested[0].reason


def test_units_without_features_leave_the_test() -> None:
    x, y = features(0)
    x[3] = 0
    y[5] = np.nan
    kept = np.delete(np.arange(M), [3, 5])
    (group,) = of_scope(finished(contribution("one", x, y))[0], "group")
    expected = index_statistics(similarity(unit_rows(x[kept])[0], unit_rows(y[kept])[0]))
    assert group.statistics.units == M - 2
    assert group.statistics.z == pytest.approx(expected.z)


def test_other_units_under_the_same_group_name_are_not_added_up() -> None:
    one = contribution("one", *features(0))
    other = contribution("two", *features(1), positions=np.arange(M) + 7)
    tests, _ = finished(one, other)
    assert [test.tensors for test in of_scope(tests, "group")] == [("one",), ("two",)]


ORDERS = st.sampled_from(Order)
ITEMS = st.lists(
    st.tuples(st.sampled_from(["g", "h"]), st.booleans(), ORDERS, st.sampled_from([4, 7, 8, 40]), st.booleans()),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(ITEMS)
def test_nothing_is_dropped_without_a_word(
    drawn: list[tuple[str, bool, Order, int, bool]],
) -> None:
    items = []
    for place, (group, stacked, order, m, constant) in enumerate(drawn):
        x, y = features(place, 1 if stacked else 8, m)
        if constant:
            x = np.ones_like(x)
        items.append(contribution(f"tensor {place}", x, y, group=group, order=order, stacked=stacked))
    tests, untested = finished(*items)
    spoken = {name for test in tests for name in test.tensors}
    spoken |= {entry.subject.split(":")[0].removesuffix(" (gains, biases, norms)") for entry in untested}
    for item in items:
        assert item.part.name in spoken or item.axis.group in spoken


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(5)))
def test_the_order_of_contributions_changes_nothing_but_the_order_of_tests(order: list[int]) -> None:
    items = [contribution(f"layer {k}", *features(k), group=f"layer {k % 2}") for k in range(5)]
    numbers = {
        (test.scope, frozenset(test.tensors)): (round(test.statistics.z, 9), test.statistics.hits)
        for test in finished(*(items[k] for k in order))[0]
    }
    expected = {
        (test.scope, frozenset(test.tensors)): (round(test.statistics.z, 9), test.statistics.hits)
        for test in finished(*items)[0]
    }
    assert numbers == expected


def test_a_zero_mask_that_two_strangers_share_does_not_make_relatives_of_them() -> None:
    zs = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        mask = rng.random((64, 128)) < 0.5
        x, y = (rng.standard_normal((64, 128)) * mask for _ in range(2))
        assert shares_zero_mask(x, y)
        zs.append(index_statistics(part_similarity(x, y, device="cpu")).z)
    assert max(map(abs, zs)) < 4
    related = index_statistics(part_similarity(x, x + 0.5 * y, device="cpu"))
    assert related.hits == 64


def test_zeros_of_their_own_are_no_shared_mask() -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((64, 128)) * (rng.random((64, 128)) < 0.5) for _ in range(2))
    assert not shares_zero_mask(x, y)
    assert not shares_zero_mask(rng.standard_normal((64, 128)), rng.standard_normal((64, 128)))
