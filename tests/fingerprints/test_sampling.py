"""Sampled positions: fixed, spread out, in runs, and split in two for searches and tests."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprints.sampling import RUN, Half, in_half, spread, units

LENGTHS = st.one_of(st.integers(0, 600), st.integers(600, 200_000))
COUNTS = st.integers(1, 2048)
SEEDS = st.integers(0, 10_000)


@given(LENGTHS, COUNTS, SEEDS, st.sampled_from(Half))
def test_positions_are_sorted_distinct_and_inside(length: int, count: int, seed: int, half: Half) -> None:
    found = units(length, count, seed=seed, half=half)
    assert (np.diff(found) > 0).all()
    assert found.size == 0 or (found[0] >= 0 and found[-1] < length)
    assert in_half(found, half).all()
    np.testing.assert_array_equal(found, units(length, count, seed=seed, half=half))


@given(LENGTHS, COUNTS, SEEDS)
def test_about_as_many_as_wanted_are_taken_and_all_where_there_are_no_more(length: int, count: int, seed: int) -> None:
    found = units(length, count, seed=seed)
    if length <= count:
        np.testing.assert_array_equal(found, np.arange(length))
    else:
        assert min(count, length) - RUN <= len(found) <= count + RUN


@given(LENGTHS, COUNTS, SEEDS)
def test_the_halves_share_no_unit_and_leave_none_out(length: int, count: int, seed: int) -> None:
    search, test = (units(length, count, seed=seed, half=half) for half in (Half.SEARCH, Half.TEST))
    assert not set(search) & set(test)
    everything = np.arange(min(length, 5000))
    assert (in_half(everything, Half.SEARCH) ^ in_half(everything, Half.TEST)).all()


def test_a_search_sees_the_same_half_whatever_is_sampled() -> None:
    search = {position for seed in range(20) for position in units(40_000, 256, seed=seed, half=Half.SEARCH).tolist()}
    test = {position for seed in range(20) for position in units(40_000, 256, seed=seed, half=Half.TEST).tolist()}
    assert not search & test


def test_the_halves_are_of_one_size_and_follow_no_pattern() -> None:
    half = in_half(np.arange(100_000), Half.SEARCH).astype(float)
    assert half.mean() == pytest.approx(0.5, abs=0.01)
    for lag in (1, 2, 4, 16, 64, 128):
        assert np.corrcoef(half[:-lag], half[lag:])[0, 1] == pytest.approx(0, abs=0.02)


def test_units_come_in_runs_over_the_whole_axis() -> None:
    found = units(100_000, 256)
    runs = np.split(found, np.flatnonzero(np.diff(found) > 1) + 1)
    assert all(len(run) % RUN == 0 for run in runs)
    assert found[0] < 100_000 / 16
    assert found[-1] > 100_000 * 15 / 16
    assert np.diff([run[0] for run in runs]).max() < 2 * 100_000 / 16


def test_a_seed_moves_the_runs() -> None:
    overlap = set(units(100_000, 256).tolist()) & set(units(100_000, 256, seed=1).tolist())
    assert len(overlap) < 64


def test_the_public_positions_stay_what_they_are() -> None:
    assert units(11008, 64).tolist()[::RUN] == [2413, 4295, 7111, 8553]
    assert units(20, 64).tolist() == list(range(20))


@given(st.integers(0, 300), st.integers(1, 40), SEEDS)
def test_layers_are_spread_from_the_first_to_the_last(candidates: int, count: int, seed: int) -> None:
    found = spread(candidates, count, seed=seed)
    assert (np.diff(found) > 0).all()
    assert len(found) <= min(candidates, count)
    if 2 <= count < candidates:
        assert (found[0], found[-1]) == (0, candidates - 1)
    if count >= candidates:
        np.testing.assert_array_equal(found, np.arange(candidates))
    if seed == 0:
        assert len(found) == min(candidates, count)
