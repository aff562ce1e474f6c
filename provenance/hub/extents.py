"""Which bytes of a file are there already."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from fingerprints.readers.mount import Span


class Extents:
    """A set of bytes, kept as sorted stretches that neither overlap nor touch. Not for several threads at once."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []

    def __bool__(self) -> bool:
        return bool(self._starts)

    def __contains__(self, at: int) -> bool:
        place = bisect_right(self._starts, at) - 1
        return place >= 0 and at < self._stops[place]

    def add(self, start: int, stop: int) -> None:
        """Put in the bytes `[start:stop]`."""
        if start >= stop:
            return
        first = bisect_left(self._stops, start)
        last = bisect_right(self._starts, stop)
        if first < last:
            start, stop = min(start, self._starts[first]), max(stop, self._stops[last - 1])
        self._starts[first:last], self._stops[first:last] = [start], [stop]

    def missing(self, start: int, stop: int) -> list[Span]:
        """Return the stretches of `[start:stop]` that are not in the set."""
        found: list[Span] = []
        place = bisect_right(self._stops, start)
        while start < stop:
            begin = self._starts[place] if place < len(self._starts) else stop
            if start < begin:
                found.append((start, min(begin, stop)))
            start = self._stops[place] if place < len(self._stops) else stop
            place += 1
        return found


def coalesced(spans: Sequence[Span], gap: int) -> list[Span]:
    """Join stretches with at most `gap` bytes between them; sorted."""
    joined: list[Span] = []
    for start, stop in sorted(span for span in spans if span[0] < span[1]):
        if joined and start - joined[-1][1] <= gap:
            joined[-1] = joined[-1][0], max(stop, joined[-1][1])
        else:
            joined.append((start, stop))
    return joined
