"""Rows of queries, keys and values that follow the columns of the attention's output."""

from __future__ import annotations

import numpy as np
import pytest

from fingerprints.alignment.axis_map import AxisMap
from fingerprints.alignment.output_heads import follow_output
from fingerprints.anatomy import build_anatomy
from fingerprints.pairing import pair_parts
from tests.in_memory import InMemory

WIDTH = 64
SIZE = 16


def pair_of(x: np.ndarray, y: np.ndarray, role: str):
    name = f"model.layers.0.self_attn.{role}_proj.weight"
    a, b = InMemory({name: x}), InMemory({name: y})
    (pair,) = pair_parts(build_anatomy(a), build_anatomy(b)).pairs
    return pair, (a, b)


def moved(order: list[int], heads: int) -> AxisMap:
    """Columns of an output whose block of number h is B's block `order[h]`."""
    columns = (np.array(order)[:, None] * SIZE + np.arange(SIZE)).ravel()
    a = np.arange(len(columns), dtype=np.int64)
    return AxisMap(a=a, b=columns, units_a=heads * SIZE, units_b=heads * SIZE, effect=1.0)


@pytest.mark.parametrize("share", [1, 2])
@pytest.mark.parametrize("stranger", [False, True])
def test_rows_follow_where_they_are_the_same(share: int, stranger: bool) -> None:
    heads = 4
    order = [2, 3, 1, 0] if share == 2 else [3, 1, 0, 2]
    groups = heads // share
    group_of = [order[group * share] // share for group in range(groups)]
    rng = np.random.default_rng(1)
    x = rng.standard_normal((groups * SIZE, WIDTH)).astype(np.float32)
    y = np.empty_like(x)
    for group, other in enumerate(group_of):
        y[other * SIZE : (other + 1) * SIZE] = x[group * SIZE : (group + 1) * SIZE]
    if stranger:
        y = rng.standard_normal(x.shape).astype(np.float32)
    pair, sides = pair_of(x, y, "k")
    dims = np.arange(WIDTH, dtype=np.int64)
    found = follow_output(pair, moved(order, heads), (dims, dims), sides)
    if stranger:
        assert found is None
    else:
        assert found is not None
        assert np.array_equal(y[found.b], x[found.a])
        assert len(found.a) == len(x)


def test_columns_that_move_one_by_one_say_nothing_about_groups() -> None:
    x = np.random.default_rng(1).standard_normal((2 * SIZE, WIDTH)).astype(np.float32)
    pair, sides = pair_of(x, x, "k")
    columns = np.random.default_rng(2).permutation(4 * SIZE)
    output = AxisMap(a=np.arange(4 * SIZE), b=columns, units_a=4 * SIZE, units_b=4 * SIZE, effect=1.0)
    dims = np.arange(WIDTH, dtype=np.int64)
    assert follow_output(pair, output, (dims, dims), sides) is None
