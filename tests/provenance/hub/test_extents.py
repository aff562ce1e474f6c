from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from provenance.hub.extents import Extents, coalesced

SPANS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: (min(pair), max(pair))), max_size=12
)


@given(SPANS, st.integers(0, 60), st.integers(0, 60))
def test_what_is_missing_is_what_was_not_added(spans: list[tuple[int, int]], start: int, stop: int) -> None:
    extents, there = Extents(), set()
    for begin, end in spans:
        extents.add(begin, end)
        there |= set(range(begin, end))
    missing = extents.missing(start, stop)
    assert [at for begin, end in missing for at in range(begin, end)] == [
        at for at in range(start, stop) if at not in there
    ]
    assert all(begin < end for begin, end in missing)
    assert all(end < begin for (_, end), (begin, _) in pairwise(missing))


@given(SPANS, st.integers(0, 9))
def test_stretches_are_joined_over_short_gaps_alone(spans: list[tuple[int, int]], gap: int) -> None:
    joined = coalesced(spans, gap)
    wanted = {at for start, stop in spans for at in range(start, stop)}
    covered = {at for start, stop in joined for at in range(start, stop)}
    assert wanted <= covered
    assert all(begin - end > gap for (_, end), (begin, _) in pairwise(joined))
    assert all(start in wanted and stop - 1 in wanted for start, stop in joined)
