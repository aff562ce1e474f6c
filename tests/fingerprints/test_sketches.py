"""Sketches: few rows, one half of the units, outliers cut off, and closeness as it is defined."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from fingerprints.anatomy import build_anatomy
from fingerprints.sampling import Half, in_half
from fingerprints.sketches import FEWEST_ROWS, NUMBERS, Sketches
from tests.in_memory import InMemory

Values = dict[str, np.ndarray]


def sketched(values: Values, **how: object) -> Sketches:
    checkpoint = InMemory(values, **how)
    return Sketches.of(list(build_anatomy(checkpoint).parts.values()), checkpoint, 0)


def rows_read(shape: tuple[int, ...]) -> np.ndarray:
    checkpoint = InMemory({"a.w": np.random.default_rng(0).standard_normal(shape).astype(np.float32)})
    Sketches.of(list(build_anatomy(checkpoint).parts.values()), checkpoint, 0)
    [(_, rows)] = checkpoint.taken
    return np.array(rows)


def test_wide_tensors_cost_two_rows_and_narrow_ones_no_more_than_is_needed() -> None:
    assert len(rows_read((512, 11008))) == FEWEST_ROWS
    narrow = rows_read((4096, 64))
    assert NUMBERS / 64 < len(narrow) <= NUMBERS / 16
    for shape in ((512, 11008), (4096, 64), (400, 32, 3, 3), (5000,)):
        assert in_half(rows_read(shape), Half.SEARCH).all()


@pytest.mark.parametrize("shape", [(64, 64), (500,), (64, 16, 3, 3), (512, 1, 4), (2, 384)])
def test_vectors_are_centred_and_of_length_one(shape: tuple[int, ...]) -> None:
    found = sketched({"a.w": 3 + np.random.default_rng(0).standard_normal(shape)})
    assert found.vectors.sum() == pytest.approx(0, abs=1e-4)
    assert np.linalg.norm(found.vectors) == pytest.approx(1, abs=1e-5)


def test_one_outlier_in_common_makes_nothing_alike() -> None:
    one, other = np.random.default_rng(0).standard_normal((2, 400))
    hidden = in_half(np.arange(400), Half.SEARCH)
    outlier = np.flatnonzero(hidden)[7]
    one[outlier] = other[outlier] = 1000.0
    found = sketched({"a.w": one, "b.w": other})
    assert np.corrcoef(one, other)[0, 1] > 0.99
    assert abs(found.vectors[0] @ found.vectors[1]) < 0.3


def test_constants_are_the_same_after_a_cast() -> None:
    values = {"a.w": np.full(64, 0.1, np.float32), "b.w": np.full(64, 0.1).astype(ml_dtypes.bfloat16)}
    values |= {"c.w": np.zeros(64, np.float32), "d.w": np.arange(64, dtype=np.float32)}
    first, second, third, fourth = sketched(values).constants
    assert first == second
    assert third == 0.0
    assert fourth is None


def test_what_cannot_be_read_or_is_not_finite_has_no_sketch() -> None:
    values = {"a.w": np.ones(64), "b.w": np.full(64, np.nan), "c.w": np.arange(64.0)}
    found = sketched(values, broken=["a.w"])
    assert found.constants == (None, None, None)
    assert not found.vectors[:2].any()


def test_closeness_is_one_minus_the_distance_over_the_sizes() -> None:
    rng = np.random.default_rng(0)
    values = {name: rng.uniform(level - 1, level + 1, 64) for name, level in (("a.w", 0), ("b.w", 1), ("c.w", 5))}
    shown = in_half(np.arange(64), Half.SEARCH)
    kept = [each[shown] for each in values.values()]
    truth = [[1 - ((x - y) ** 2).sum() / ((x * x).sum() + (y * y).sum()) for y in kept] for x in kept]
    found = sketched(values)
    assert found.closeness(found, range(3), range(3)) == pytest.approx(np.array(truth), abs=1e-5)
