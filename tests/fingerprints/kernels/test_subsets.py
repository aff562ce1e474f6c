from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fingerprints.kernels.masks import conflicts_kept, larger, ranks, threshold
from fingerprints.kernels.subsets import fit_subsets


@pytest.mark.parametrize("shared", [False, True])
def test_factors_and_subsets_are_recovered(shared: bool) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((2, 20_000))
    states = rng.random((2, 20_000)) < 0.6
    factors = np.array([0.7, 0.3])
    mixed = np.where(states, factors[:, None], 0.0)
    if shared:
        mixed = 1.4 * np.divide(mixed, mixed.sum(axis=0), out=np.zeros_like(mixed), where=mixed.sum(axis=0) > 0)
    spread = np.full(20_000, 0.004)
    target = (mixed * vectors).sum(axis=0) + spread * rng.standard_normal(20_000)
    start = (np.array([0.5, 0.5]), 1.0) if shared else (np.array([0.5, 0.25]), 1.0)
    found = fit_subsets(target, vectors, spread, *start, shared=shared)
    assert found.factors == pytest.approx(factors, abs=0.002)
    assert found.scale == pytest.approx(1.4 if shared else 1.0, abs=0.002)
    assert found.explained > 0.99
    assert np.array_equal(found.states[:, found.clear], states[:, found.clear])


def test_what_is_no_such_sum_is_not_explained() -> None:
    rng = np.random.default_rng(1)
    vectors, target = rng.standard_normal((2, 20_000)), rng.standard_normal(20_000)
    found = fit_subsets(target, vectors, np.full(20_000, 0.004), np.array([0.5, 0.5]), 1.0, shared=False)
    assert found.explained < 0.5


def test_larger_is_the_statistic_of_mann_and_whitney() -> None:
    rng = np.random.default_rng(2)
    ranked, kept = ranks(rng.standard_normal(500)), rng.random(500) < 0.3
    oracle = stats.mannwhitneyu(ranked[kept], ranked[~kept]).statistic / (kept.sum() * (~kept).sum())
    assert larger(ranked, kept) == pytest.approx(oracle)


@pytest.mark.parametrize("density", [0.0, 0.2, 0.7, 1.0])
def test_the_threshold_is_where_elements_are_kept(density: float) -> None:
    ranked = ranks(np.random.default_rng(3).standard_normal(4000))
    assert 1 - threshold(ranked, ranked > 1 - density) == pytest.approx(density, abs=0.001)


def test_conflicts_are_kept_at_random_and_never_where_signs_are_elected() -> None:
    rng = np.random.default_rng(4)
    signs = rng.choice([-1.0, 1.0], (2, 20_000))
    states = rng.random((2, 20_000)) < 0.5
    assert conflicts_kept(states, signs) == pytest.approx(1 / 3, abs=0.02)
    elected = states & (signs == signs[0])
    assert conflicts_kept(elected, signs) == 0.0
