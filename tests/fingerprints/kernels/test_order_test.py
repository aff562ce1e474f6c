"""The longest ascent against its definition and its bound against every permutation that there is."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprints.kernels.order_test import log10_p_ascent, longest_ascent

PERMUTATIONS = {units: np.array(list(itertools.permutations(range(units)))) for units in (4, 7)}


@given(st.lists(st.integers(-9, 9), max_size=9))
def test_the_longest_ascent_is_that_of_all_subsequences(sequence: list[int]) -> None:
    longest = max(
        length
        for length in range(len(sequence) + 1)
        for chosen in itertools.combinations(sequence, length)
        if all(one < other for one, other in itertools.pairwise(chosen))
    )
    assert longest_ascent(np.array(sequence, np.int64)) == longest


@given(st.permutations(range(30)), st.integers(0, 5))
def test_gaps_between_numbers_do_not_matter(sequence: list[int], power: int) -> None:
    spread = np.array(sequence, np.int64) * 10**power + power
    assert longest_ascent(spread) == longest_ascent(np.array(sequence))


@pytest.mark.parametrize("units", PERMUTATIONS)
def test_the_bound_holds_for_every_length(units: int) -> None:
    lengths = np.array([longest_ascent(order) for order in PERMUTATIONS[units]])
    for length in range(units + 2):
        exact = float((lengths >= length).mean())
        assert 10 ** log10_p_ascent(length, units) >= exact - 1e-12 if length <= units else exact == 0


def test_the_bound_is_sharp_for_a_whole_ascent() -> None:
    assert log10_p_ascent(20, 20) == pytest.approx(-math.log10(math.factorial(20)))


@given(st.integers(1, 400), st.data())
def test_longer_ascents_are_never_likelier(units: int, data: st.DataObject) -> None:
    length = data.draw(st.integers(1, units))
    assert log10_p_ascent(length, units) <= log10_p_ascent(length - 1, units) + 1e-9 <= 1e-9


def test_shuffled_numbers_are_within_their_level() -> None:
    rng = np.random.default_rng(0)
    found = [log10_p_ascent(longest_ascent(rng.permutation(200)), 200) for _ in range(500)]
    assert min(found) > -4
    assert np.mean(np.array(found) < -1) <= 0.1
