"""Stretches of a file that are read as if they followed each other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

from fingerprints.readers.source import Region


class ChainedRegion:
    """The stretches `(offset, nbytes)` of `region`, one after the other; see `Region`."""

    def __init__(self, region: Region, stretches: Sequence[tuple[int, int]]) -> None:
        self._region, self._stretches = region, stretches
        self._starts = [0, *accumulate(nbytes for _, nbytes in stretches)]

    @property
    def path(self) -> Path:
        """The file."""
        return self._region.path

    def read_into(self, view: memoryview, offset: int) -> None:
        """Fill `view` with the bytes at `offset` of the whole."""
        at = bisect_right(self._starts, offset) - 1
        while view:
            begin, nbytes = self._stretches[at]
            within = offset - self._starts[at]
            count = min(len(view), nbytes - within)
            self._region.read_into(view[:count], begin + within)
            view, offset, at = view[count:], offset + count, at + 1

    def check(self) -> None:
        """Raise CorruptCheckpoint if the file is no longer the one that was opened."""
        self._region.check()
