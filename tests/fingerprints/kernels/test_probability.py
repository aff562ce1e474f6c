"""log10 p-values against scipy where it can represent them, and bounds against enumeration."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from fingerprints.kernels import (
    bonferroni,
    log10_p_hits,
    log10_p_statistic,
    log10_two_sided,
    normal_quantile,
    stouffer,
)
from fingerprints.kernels.probability import NORMAL_FLOOR, log10_chatterjee

SIX = np.array(list(itertools.permutations(range(6))))


def exact_log10(z: float) -> float:
    return float((stats.norm.logsf(abs(z)) + math.log(2)) / math.log(10))


@given(st.floats(-36.9, 36.9))
def test_the_normal_tail_is_the_two_sided_one(z: float) -> None:
    assert log10_two_sided(z) == pytest.approx(min(0.0, exact_log10(z)), rel=1e-9, abs=1e-9)


@given(st.floats(37, 1e100))
def test_the_normal_tail_stays_finite_far_out(z: float) -> None:
    assert math.isfinite(log10_two_sided(z))
    assert log10_two_sided(z) == pytest.approx(exact_log10(z), rel=2e-6)
    assert log10_two_sided(-z) == log10_two_sided(z)


@given(st.floats(0, 60), st.floats(0, 60))
def test_a_larger_z_is_never_less_significant(one: float, other: float) -> None:
    small, large = sorted((one, other))
    assert log10_two_sided(large) <= log10_two_sided(small) + 1e-3 * (large > 36)


@given(st.floats(-300, -1e-6))
def test_the_quantile_undoes_the_tail(log10_p: float) -> None:
    assert log10_two_sided(normal_quantile(log10_p)) == pytest.approx(log10_p, rel=1e-3, abs=1e-9)


def test_the_quantile_of_one_is_zero() -> None:
    assert normal_quantile(0.0) == normal_quantile(1.0) == 0.0


@given(st.integers(-3, 400), st.integers(1, 40))
def test_the_bound_on_hits_is_its_formula(hits: int, blocks: int) -> None:
    expected = min(0.0, hits * math.log10(blocks) - math.lgamma(hits + 1) / math.log(10)) if hits > 0 else 0.0
    assert log10_p_hits(hits, blocks) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(np.float64, (6, 6), elements=st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.0, 1.0]))))
def test_the_concentration_bound_is_never_below_the_exact_tail(c: np.ndarray) -> None:
    sums = c[np.arange(6), SIX].sum(axis=1)
    mean = float(c.sum() / 6)
    for deviation in np.unique(np.abs(sums - mean)):
        exact = float(np.mean(np.abs(sums - mean) >= deviation - 1e-9))
        assert math.log10(exact) <= log10_chatterjee(float(deviation), mean) + 1e-9


@given(st.floats(1e-3, 1e4), st.floats(0, 1e4))
def test_the_concentration_bound_is_chatterjees(deviation: float, mean: float) -> None:
    bound = math.log10(2) - deviation**2 / (4 * mean + 2 * deviation) * math.log10(math.e)
    assert log10_chatterjee(deviation, mean) == pytest.approx(min(0.0, bound))
    assert log10_chatterjee(-deviation, mean) == log10_chatterjee(0.0, mean) == 0


@given(st.floats(0, 1e4), st.floats(0, 1e4), st.floats(-200, 200), st.floats(-1e4, 0))
def test_the_normal_tail_alone_is_trusted_down_to_a_millionth(
    deviation: float, mean: float, z: float, floor: float
) -> None:
    found = log10_p_statistic(z, deviation=deviation, mean=mean, log10_floor=floor)
    normal, bound = log10_two_sided(z), log10_chatterjee(deviation, mean)
    assert floor <= found <= 0
    if found < NORMAL_FLOOR:
        assert found >= max(normal, bound, floor)
    if normal >= NORMAL_FLOOR:
        assert found == max(normal, floor)


@given(st.floats(-1e4, 0), st.integers(0, 10**6))
def test_bonferroni_multiplies_and_stops_at_one(log10_p: float, count: int) -> None:
    found = bonferroni(log10_p, count)
    assert found == pytest.approx(min(0.0, log10_p + math.log10(max(count, 1))))
    assert log10_p <= found <= 0


def test_stouffer_is_signed() -> None:
    assert stouffer([]) == 0.0
    assert stouffer([2.0, -2.0]) == 0.0
    zs = [1.5, 0.2, 2.0, -0.3]
    expected = stats.combine_pvalues(stats.norm.sf(zs), method="stouffer").statistic
    assert stouffer(zs) == pytest.approx(expected)
