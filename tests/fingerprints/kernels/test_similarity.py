"""Cosines of rows, whatever their size."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprints.kernels import similarity, unit_rows


@given(st.integers(0, 2**32 - 1), st.integers(-300, 300))
def test_rows_of_any_magnitude_become_unit_rows_of_the_same_direction(seed: int, power: int) -> None:
    rows = np.random.default_rng(seed).standard_normal((5, 7))
    scaled, valid = unit_rows(rows * 10.0**power)
    assert valid.all()
    np.testing.assert_allclose(scaled, rows / np.linalg.norm(rows, axis=1, keepdims=True), rtol=1e-12)


def test_rows_that_cannot_be_scaled_are_zero_and_said_so() -> None:
    rows = np.array([[1.0, 0.0], [0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0], [5e-324, 0.0]])
    scaled, valid = unit_rows(rows)
    assert valid.tolist() == [True, False, False, False, True]
    assert scaled.tolist() == [[1, 0], [0, 0], [0, 0], [0, 0], [1, 0]]
    assert unit_rows(np.zeros((3, 0)))[1].tolist() == [False] * 3


@pytest.mark.parametrize("dtype", [np.float16, np.float32, ml_dtypes.bfloat16])
def test_narrow_types_are_summed_in_double_precision(dtype: type) -> None:
    rows = np.full((1, 5000), 0.1).astype(dtype)
    assert similarity(unit_rows(rows)[0], unit_rows(rows)[0])[0, 0] == pytest.approx(1, abs=1e-12)


def test_cosines_are_between_every_unit_of_one_side_and_every_unit_of_the_other() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((3, 6)), rng.standard_normal((4, 6))
    found = similarity(unit_rows(x)[0], unit_rows(y)[0])
    for i in range(3):
        for j in range(4):
            assert found[i, j] == pytest.approx(x[i] @ y[j] / np.linalg.norm(x[i]) / np.linalg.norm(y[j]))
