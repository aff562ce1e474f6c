"""Tensors whose elements are varints: found again by position without holding all of them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from fingerprints.errors import UnreadableTensor
from fingerprints.readers.quoting import quoted
from fingerprints.readers.source import SourceFile

_STEP: Final = 1 << 18
"""Bytes that are decoded at once."""
_LONGEST: Final = 10


class VarintRegion:
    """Varints in bytes `[start:stop]` of a file as elements of `itemsize` bytes each, the low bytes of the values.

    The first read passes over all of them and notes how many begin before every `_STEP` bytes; later ones decode the
    stretches that they need. Safe to use from several threads.
    """

    def __init__(self, source: SourceFile, start: int, stop: int, *, itemsize: int, count: int, tensor: str) -> None:
        self._source, self._start, self._stop = source, start, stop
        self._itemsize, self._count, self._tensor = itemsize, count, tensor
        self._first: npt.NDArray[np.int64] | None = None
        self._last: tuple[int, npt.NDArray[np.uint8]] = (-1, np.zeros(0, dtype=np.uint8))
        self._lock = threading.Lock()

    @property
    def path(self) -> Path:
        """The file."""
        return self._source.path

    def check(self) -> None:
        """Raise CorruptCheckpoint if the file is no longer the one that was opened."""
        self._source.check()

    def read_into(self, view: memoryview, offset: int) -> None:
        """Fill `view` with the bytes of the elements from byte `offset` on."""
        with self._lock:
            first = self._first = self._counted() if self._first is None else self._first
            at, end = offset, offset + len(view)
            while at < end:
                step = int(np.searchsorted(first, at // self._itemsize, side="right")) - 1
                if self._last[0] != step:
                    self._last = step, self._decoded(step)
                begin = int(first[step]) * self._itemsize
                piece = self._last[1][at - begin : end - begin]
                view[at - offset : at - offset + len(piece)] = piece.data
                at += len(piece)

    def _ends(self, step: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """The bytes of a stretch with those of the varint that it ends in, and where each that begins in it ends."""
        begin = self._start + step * _STEP
        lead = min(_LONGEST, begin - self._start)
        size = min(_STEP + _LONGEST, self._stop - begin)
        raw = np.frombuffer(self._source.read(begin - lead, lead + size), dtype=np.uint8)
        ends = np.flatnonzero(raw < 0x80)
        before = ends[ends < lead]
        begins = int(before[-1]) + 1 if before.size else 0
        if step and not before.size:
            raise self._unreadable(f"the integer at byte {begin - lead} has more than {_LONGEST} bytes")
        ends = ends[ends >= lead]
        starts = np.concatenate(([begins], ends[:-1] + 1)) if ends.size else ends
        inside = (starts >= lead) & (starts < lead + _STEP)
        if ends.size and int((ends - starts).max()) >= _LONGEST:
            raise self._unreadable(f"an integer after byte {begin} has more than {_LONGEST} bytes")
        ends = ends[inside]
        first = int(starts[inside][0]) if ends.size else 0
        return raw[first:], ends - first

    def _counted(self) -> npt.NDArray[np.int64]:
        """How many varints begin before each stretch."""
        steps = -(-(self._stop - self._start) // _STEP)
        counts = [len(self._ends(step)[1]) for step in range(steps)]
        if sum(counts) != self._count:
            raise self._unreadable(f"it has {sum(counts)} of {self._count} elements")
        return np.concatenate(([0], np.cumsum(counts)[:-1])).astype(np.int64)

    def _decoded(self, step: int) -> npt.NDArray[np.uint8]:
        raw, ends = self._ends(step)
        starts = np.concatenate(([0], ends[:-1] + 1))
        lengths = ends - starts + 1
        values = np.zeros(len(ends), dtype=np.uint64)
        for place in range(int(lengths.max(initial=0))):
            has = lengths > place
            bits = (raw[starts[has] + place] & 0x7F).astype(np.uint64)
            values[has] |= bits << np.uint64(7 * place)
        cells = values.astype("<u8").view(np.uint8).reshape(-1, 8)
        return np.ascontiguousarray(cells[:, : self._itemsize]).reshape(-1)

    def _unreadable(self, reason: str) -> UnreadableTensor:
        return UnreadableTensor(
            f"the tensor {quoted(self._tensor)} cannot be read: {reason}",
            path=self.path,
            tensor=self._tensor,
            hint="the other tensors of the checkpoint can be read; get the file again if this one is needed",
        )
