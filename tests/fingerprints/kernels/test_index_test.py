"""The index test against enumeration of all permutations, and its error rates on models that have nothing in common."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from fingerprints.kernels import index_statistics, index_test, log10_p_hits, pooled, similarity, unit_rows
from fingerprints.kernels.index_test import IndexStatistics

EIGHT = np.array(list(itertools.permutations(range(8))))
FOUR = np.array(list(itertools.permutations(range(4))))
TWICE_FOUR = np.array([(*first, *(second + 4)) for first in FOUR for second in FOUR])
HALVES = np.repeat([0, 1], 4)


def matrices(m: int) -> st.SearchStrategy[np.ndarray]:
    """Any similarities, ties included."""
    coarse = hnp.arrays(np.float64, (m, m), elements=st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]))
    fine = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).uniform(-1, 1, (m, m)))
    return st.one_of(coarse, fine)


def relabelled_sums(c: np.ndarray, relabellings: np.ndarray) -> np.ndarray:
    """T under every relabelling."""
    return c[np.arange(len(c)), relabellings].sum(axis=1)


def statistics_of(c: np.ndarray, strata: np.ndarray | None = None, *, seed: int = 0) -> IndexStatistics:
    found = index_statistics(c, strata, seed=seed)
    assert found is not None
    return found


@pytest.fixture
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough permutations for a property, few enough to repeat it."""
    monkeypatch.setattr(index_test, "DRAWS", 499)


@pytest.mark.parametrize(("relabellings", "strata"), [(EIGHT, None), (TWICE_FOUR, HALVES)], ids=["one", "two strata"])
@settings(max_examples=20, deadline=None)
@given(c=matrices(8))
def test_the_moments_are_those_of_all_permutations(
    relabellings: np.ndarray, strata: np.ndarray | None, c: np.ndarray
) -> None:
    sums = relabelled_sums(c, relabellings)
    found = index_statistics(c, strata)
    if found is None:
        assert sums.std() <= 1e-10
        return
    assert found.sigma == pytest.approx(sums.std(), rel=1e-9)
    assert found.z * found.sigma == pytest.approx(np.trace(c) - sums.mean(), abs=1e-9)
    assert found.effect == np.median(np.diagonal(c))
    assert found.log10_floor == pytest.approx(-math.log10(len(relabellings)))
    assert (found.units, found.blocks) == (8, 1 if strata is None else 2)
    for sign, (deviation, mean) in ((1, found.upper), (-1, found.lower)):
        clipped = relabelled_sums(np.maximum(sign * c, 0), relabellings)
        assert mean == pytest.approx(clipped.mean(), abs=1e-9)
        assert mean + deviation == pytest.approx(np.trace(np.maximum(sign * c, 0)), abs=1e-9)


@settings(max_examples=10, deadline=None)
@given(c=matrices(8), seed=st.integers(0, 5))
def test_drawn_permutations_tell_the_exact_p_value(c: np.ndarray, seed: int) -> None:
    found = index_statistics(c, seed=seed)
    if found is None:
        return
    deviations = np.abs(relabelled_sums(c, EIGHT) - relabelled_sums(c, EIGHT).mean())
    exact = float(np.mean(deviations >= abs(np.trace(c) - c.sum() / 8) - 1e-9))
    drawn = 10.0**found.log10_p_statistic
    assert drawn == pytest.approx(exact, abs=6 * math.sqrt(exact / index_test.DRAWS) + 2 / index_test.DRAWS)
    assert statistics_of(c, seed=seed).log10_p_statistic == found.log10_p_statistic


@settings(max_examples=50, deadline=None)
@given(c=matrices(12), split=st.integers(4, 8))
def test_a_hit_is_a_unit_whose_first_best_match_in_its_stratum_is_its_own(c: np.ndarray, split: int) -> None:
    strata = (np.arange(12) >= split).astype(np.int64)
    found = index_statistics(c, strata)
    if found is None:
        return
    hits = 0
    for i in range(12):
        inside = [j for j in range(12) if strata[j] == strata[i]]
        best = max(c[i, j] for j in inside)
        hits += next(j for j in inside if c[i, j] == best) == i
    assert found.hits == hits


@settings(max_examples=30, deadline=None)
@given(c=matrices(8))
def test_the_bound_on_hits_holds_for_every_matrix(c: np.ndarray) -> None:
    hits = (c.argmax(axis=1) == EIGHT).sum(axis=1)
    in_halves = [c[:4, :4].argmax(axis=1), 4 + c[4:, 4:].argmax(axis=1)]
    block_hits = (np.concatenate(in_halves) == TWICE_FOUR).sum(axis=1)
    for k in range(1, 9):
        assert np.mean(hits >= k) <= 10 ** log10_p_hits(k, 1) * (1 + 1e-9)
        assert np.mean(block_hits >= k) <= 10 ** log10_p_hits(k, 2) * (1 + 1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), m=st.integers(30, 60), strata=st.integers(1, 4))
def test_naming_units_otherwise_on_both_sides_and_scaling_rows_changes_nothing(seed: int, m: int, strata: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((2, m, 24))
    y += 0.3 * x
    labels = np.arange(m) % strata
    order = rng.permutation(m)
    powers = rng.uniform(-30, 30, (2, m, 1))
    plain = statistics_of(similarity(unit_rows(x)[0], unit_rows(y)[0]), labels)
    moved = statistics_of(
        similarity(unit_rows((10.0 ** powers[0] * x)[order])[0], unit_rows((10.0 ** powers[1] * y)[order])[0]),
        labels[order],
    )
    assert moved.hits == plain.hits
    assert moved.z == pytest.approx(plain.z, rel=1e-9)
    assert moved.effect == pytest.approx(plain.effect, rel=1e-9)
    assert moved.log10_p_statistic == pytest.approx(plain.log10_p_statistic, rel=1e-9)


FEATURES = {
    "gaussian": lambda rng, m, k: rng.standard_normal((m, k)),
    "heavy tails": lambda rng, m, k: rng.standard_t(1.5, (m, k)),
    "one common direction": lambda rng, m, k: rng.standard_normal((m, k)) + 2 * rng.standard_normal(k),
    "two kinds of units": lambda rng, m, k: (
        rng.standard_normal((m, k)) + 3 * rng.integers(0, 2, (m, 1)) * rng.standard_normal(k)
    ),
    "few features": lambda rng, m, k: rng.standard_normal((m, 3)),
}


def p_values(shape: str, m: int, strata: int, repeats: int) -> tuple[np.ndarray, np.ndarray]:
    """p of T, and hits, for pairs of models that are independent but built alike."""
    values, hits = [], []
    for seed in range(repeats):
        rng = np.random.default_rng((seed, m, strata))
        x, y = (unit_rows(FEATURES[shape](rng, m, 32))[0] for _ in range(2))
        labels = np.arange(m) * strata // m
        found = statistics_of(similarity(x, y), labels, seed=seed)
        values.append(10.0**found.log10_p_statistic)
        hits.append(found.hits)
    return np.array(values), np.array(hits)


@pytest.mark.usefixtures("few_draws")
@pytest.mark.parametrize(("m", "strata"), [(8, 1), (16, 2), (29, 1), (30, 1), (40, 1), (96, 6), (128, 8)])
@pytest.mark.parametrize("shape", FEATURES)
def test_strangers_have_uniform_p_values(shape: str, m: int, strata: int) -> None:
    p, hits = p_values(shape, m, strata, 300)
    assert stats.kstest(p, "uniform").pvalue >= 1e-3
    for k in range(1, 8):
        bound = min(1.0, strata**k / math.factorial(k))
        assert stats.binomtest(int(np.sum(hits >= k)), len(hits), bound, alternative="greater").pvalue >= 1e-4


@pytest.mark.parametrize("m", [8, 40])
def test_relatives_are_found(m: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((m, 64))
    y = x + rng.standard_normal((m, 64))
    found = statistics_of(similarity(unit_rows(x)[0], unit_rows(y)[0]))
    assert found.effect == pytest.approx(math.sqrt(0.5), abs=0.1)
    assert found.hits == m
    assert found.log10_p_hits == pytest.approx(-math.lgamma(m + 1) / math.log(10))
    assert found.z > 2.5
    assert found.log10_p_statistic <= -4


@pytest.mark.parametrize("m", [12, 64])
def test_a_copy_with_its_sign_flipped_is_dependence_too(m: int) -> None:
    rng = np.random.default_rng(1)
    x = unit_rows(rng.standard_normal((m, 64)))[0]
    plain, flipped = statistics_of(similarity(x, x)), statistics_of(similarity(x, -x))
    assert flipped.z == pytest.approx(-plain.z)
    assert flipped.log10_p_statistic == pytest.approx(plain.log10_p_statistic)
    assert flipped.log10_p_statistic < -4.9
    assert flipped.hits == 0


def test_four_strata_of_two_units_allow_sixteen_relabellings() -> None:
    found = statistics_of(np.eye(8), np.arange(8) // 2)
    assert found.log10_floor == pytest.approx(-math.log10(16))
    assert 10**found.log10_p_statistic == pytest.approx(2 / 16, abs=0.005), (
        "all of them swapped is as far from the mean"
    )


def test_pooled_groups_are_one_test_with_strata() -> None:
    rng = np.random.default_rng(2)
    c = rng.uniform(-1, 1, (70, 70)) + 0.1 * np.eye(70)
    strata = np.repeat([0, 1], [30, 40])
    parts = [statistics_of(c[:30, :30]), statistics_of(c[30:, 30:])]
    whole, sum_of_parts = statistics_of(c, strata), pooled(parts)
    for name in ("units", "blocks", "hits"):
        assert getattr(sum_of_parts, name) == getattr(whole, name)
    for name in ("z", "sigma", "upper", "lower", "log10_floor", "log10_p_statistic"):
        assert getattr(sum_of_parts, name) == pytest.approx(getattr(whole, name))
    with pytest.raises(ValueError, match="nothing to pool"):
        pooled([])


@pytest.mark.parametrize("log10_alpha", [-3.0, -6.0])
def test_the_smallest_detectable_cosine_is_where_detection_begins(log10_alpha: float) -> None:
    rng = np.random.default_rng(3)
    c = rng.uniform(-0.2, 0.2, (200, 200))
    c -= c.mean()
    np.fill_diagonal(c, 0.0)
    found = statistics_of(c)
    smallest = found.min_detectable(log10_alpha)
    assert smallest == pytest.approx(-stats.norm.ppf(10**log10_alpha / 2) * found.sigma / 200, rel=1e-6)
    centre = -found.z * found.sigma / 200
    for factor, detected in ((1.05, True), (0.95, False)):
        shifted = c + np.eye(200) * (centre + factor * smallest)
        assert bool(abs(statistics_of(shifted).z) >= -stats.norm.ppf(10**log10_alpha / 2)) is detected


def test_too_few_units_and_units_without_a_difference_are_not_tested() -> None:
    rng = np.random.default_rng(4)
    c = rng.uniform(-1, 1, (12, 12))
    assert index_statistics(c[:7, :7]) is None
    assert index_statistics(c, np.arange(12)) is None, "no stratum has two units"
    assert index_statistics(c, np.array([0] * 7 + [1, 2, 3, 4, 5])) is None, "seven units are left"
    assert statistics_of(c, np.array([0] * 8 + [1, 2, 3, 4])).units == 8
    assert index_statistics(np.full((12, 12), 0.3)) is None
    assert index_statistics(np.add.outer(np.arange(12) / 20, np.arange(12) / 30)) is None
