"""One-to-one matches: stable, above chance, and none where there is nothing to match."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fingerprints.kernels.matching import SAME, chance_level, mutual_matches

TABLES = hnp.arrays(
    np.float64, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12), elements=st.floats(-1, 1)
)


def cosines(units: int, features: int, cosine: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of units with copies of themselves in another order, moved to the given cosine; and that order."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((units, features)) / np.sqrt(features)
    noise = rng.standard_normal((units, features)) / np.sqrt(features)
    order = rng.permutation(units)
    return x @ (cosine * x + np.sqrt(1 - cosine**2) * noise)[order].T, np.argsort(order)


@given(TABLES)
def test_matches_are_one_to_one_above_the_level_and_stable(c: np.ndarray) -> None:
    rows, columns = mutual_matches(c)
    assert len(set(rows.tolist())) == len(rows)
    assert len(set(columns.tolist())) == len(columns) == len(rows)
    assert (np.diff(rows) > 0).all()
    matched = c[rows, columns]
    assert (matched > min(SAME, chance_level(c))).all()
    mine, theirs = np.full(c.shape[0], -np.inf), np.full(c.shape[1], -np.inf)
    mine[rows], theirs[columns] = matched, matched
    level = min(SAME, chance_level(c))
    rivals = (c > np.maximum(mine[:, None], theirs[None, :])) & (c > level)
    assert not rivals.any()


@given(TABLES, st.randoms(use_true_random=False))
def test_the_order_of_units_does_not_matter(c: np.ndarray, random: object) -> None:
    c = c + np.arange(c.size).reshape(c.shape) * 1e-9
    order = list(range(c.shape[0]))
    random.shuffle(order)
    there = set(zip(*map(np.ndarray.tolist, mutual_matches(c)), strict=True))
    back = {(order[row], column) for row, column in zip(*mutual_matches(c[order]), strict=True)}
    assert there == back
    assert there == {(row, column) for column, row in zip(*mutual_matches(c.T), strict=True)}


@pytest.mark.parametrize(("cosine", "features"), [(1.0, 64), (0.7, 128), (0.5, 256)])
def test_a_known_order_comes_back(cosine: float, features: int) -> None:
    c, order = cosines(300, features, cosine, 1)
    rows, columns = mutual_matches(c)
    assert len(rows) > 0.95 * 300
    assert (order[rows] == columns).all()


def test_strangers_have_few_matches() -> None:
    """The level is what the best of all pairs reach: about one pair a table is beyond it."""
    found = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        x, y = (rng.standard_normal((100, 64)) / 8 for _ in range(2))
        found.append(len(mutual_matches(x @ y.T)[0]))
    assert np.mean(found) < 2
    assert max(found) < 8


def test_nothing_matches_nothing() -> None:
    for shape in ((0, 0), (0, 3), (3, 0)):
        rows, columns = mutual_matches(np.zeros(shape))
        assert len(rows) == len(columns) == 0
