from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.reports import numbers


@pytest.mark.parametrize(
    ("log10_p", "words"),
    [
        (None, "no exact p-value"),
        (0.0, "p = 1"),
        (-0.2, "p = 0.63"),
        (-3.5, "p = 0.00032"),
        (-312.4, "p < 10^-312"),
        (-312.0, "p < 10^-311"),
        (-4.0, "p < 10^-3"),
    ],
)
def test_p_values_are_bounds_that_hold(log10_p: float | None, words: str) -> None:
    assert numbers.p_value(log10_p) == words


@given(st.floats(-1e6, -4.0))
def test_the_bound_is_above_the_value(log10_p: float) -> None:
    bound = int(numbers.p_value(log10_p).removeprefix("p < 10^"))
    assert log10_p < bound <= log10_p + 1


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 KB"), (999_600, "1 MB"), (16_060_522_496, "16.1 GB"), (10**19, "1e+04 PB")],
)
def test_sizes(number: int, words: str) -> None:
    assert numbers.size(number) == words


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0"), (9_999, "9,999"), (7_000_000, "7 million"), (8_030_261_248, "8.03 billion")]
)
def test_counts(number: int, words: str) -> None:
    assert numbers.count(number) == words


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.0, "0 %"), (1e-9, "< 0.1 %"), (0.5, "50 %"), (0.99999, "> 99.9 %"), (1.0, "100 %"), (0.0312, "3.12 %")],
)
def test_a_share_reads_all_or_nothing_only_when_it_is(share: float, words: str) -> None:
    assert numbers.percent(share) == words


def test_shapes_and_gaps() -> None:
    assert numbers.shape((4096, 11008)) == "4096 x 11008"
    assert numbers.shape(()) == "scalar"
    assert numbers.statistic(None) == numbers.cosine(None) == "-"
