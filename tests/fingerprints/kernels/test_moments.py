"""Sums over two samples, against sums that numpy forms of the whole."""

from __future__ import annotations

import numpy as np
import pytest

from fingerprints.kernels.moments import BLOCK, moments


@pytest.mark.parametrize("shape", [(1, 1), (37, 91), (300, 1000), (3, BLOCK + 5), (0, 4)])
def test_sums_are_those_of_the_whole(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype(np.float32)
    y = (x + 0.01 * rng.standard_normal(shape)).astype(np.float32)
    found, change = moments(x, y), y.astype(np.float64) - x
    assert found.xx == pytest.approx(float(np.square(x, dtype=np.float64).sum()))
    assert found.xy == pytest.approx(float((x.astype(np.float64) * y).sum()))
    assert found.change == pytest.approx(float(np.square(change).sum()), rel=1e-9, abs=1e-12 * max(found.xx, 1.0))
    np.testing.assert_allclose(found.shift, change.sum(axis=0), atol=1e-9)


def test_equal_samples_have_no_change_and_large_values_do_not_overflow() -> None:
    x = np.random.default_rng(1).standard_normal((50, 3000)).astype(np.float32) * np.float32(1e30)
    found = moments(x, x.copy())
    assert found.change == 0
    assert np.isfinite(found.xx)


def test_values_that_are_no_numbers_show_in_the_sums() -> None:
    x = np.array([[1.0, np.inf]], dtype=np.float32)
    assert not np.isfinite(moments(x, np.ones_like(x)).xx)
