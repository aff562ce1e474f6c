"""Ranks and their correlation against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from fingerprints.kernels import normal_ranks, spearman

vectors = hnp.arrays(
    np.float64, st.integers(2, 40), elements=st.one_of(st.integers(-3, 3).map(float), st.floats(-9, 9))
)


@given(vectors)
def test_ranks_are_average_ranks_of_mean_zero_and_variance_one(values: np.ndarray) -> None:
    expected = stats.rankdata(values) - (len(values) + 1) / 2
    found = normal_ranks(values)
    if expected.any():
        np.testing.assert_allclose(found, expected / expected.std())
    else:
        assert not found.any()


@given(st.data())
def test_the_correlation_is_spearmans(data: st.DataObject) -> None:
    x = data.draw(vectors)
    y = data.draw(hnp.arrays(np.float64, len(x), elements=st.floats(-9, 9)))
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert spearman(x, y) == 0
    else:
        assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-9)


def test_only_the_order_matters() -> None:
    x = np.random.default_rng(0).standard_normal(100)
    assert spearman(x, np.exp(x)) == pytest.approx(1)
    assert spearman(x, -(x**3)) == pytest.approx(-1)


def test_single_values_have_no_correlation() -> None:
    assert spearman(np.ones(1), np.ones(1)) == spearman(np.ones(0), np.ones(0)) == 0
