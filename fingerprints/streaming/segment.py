"""One stretch of two counterparts: read in blocks, added up, and checked for equality on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Event

import numpy as np

from fingerprints.checkpoint import Array, Checkpoint
from fingerprints.kernels.block_sums import BlockKernel, Sum, Sums, add, nothing
from fingerprints.pairing import Pair
from fingerprints.readers.in_order import InOrder
from fingerprints.signals.tensor_digest import alongside
from fingerprints.values import WORTH_A_LOOK, count_equal


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Elements `[start:stop]` of a pair. `stored` says where they lie on both sides; without it the segment is the
    whole pair, which the checkpoints decode.
    """

    pair: Pair
    start: int
    stop: int
    stored: tuple[InOrder, InOrder] | None = None


@dataclass(slots=True)
class SegmentSums:
    """What was added up over one segment.

    `peak` holds the blocks with the largest change, from element `peak_start` of the pair on. `counts` are elements
    compared, equal, close, lost of A and of B, as `count_equal` has them; `settled` says that some element is not even
    close, so that nobody need look for others.
    """

    total: Sums = field(default_factory=nothing)
    elements: int = 0
    peak_start: int = 0
    peak: tuple[Array, Array] | None = None
    counts: list[int] = field(default_factory=lambda: [0, 0, 0, 0, 0])
    settled: bool = False


class Reader:
    """Adds up segments, one at a time: a kernel and the buffers it is fed from.

    Parameters
    ----------
    kernel : BlockKernel
        Adds up blocks.
    stop : Event
        Once set, nobody wants the sums any more, and they are left unfinished.
    """

    def __init__(self, kernel: BlockKernel, stop: Event) -> None:
        self._kernel = kernel
        self._stop = stop
        self._buffers = np.empty(kernel.block_bytes, np.uint8), np.empty(kernel.block_bytes, np.uint8)

    def add_up(self, segment: Segment, a: Checkpoint, b: Checkpoint) -> SegmentSums:
        """Read the segment and add it up.

        Raises
        ------
        CheckpointError
            As the readers do.
        """
        sums = SegmentSums()
        dtypes = segment.pair.a.info.dtype, segment.pair.b.info.dtype
        for x, y in self._blocks(segment, a, b):
            found = self._kernel.sums(x, y)
            if found[Sum.PEAK] > sums.total[Sum.PEAK]:
                sums.peak_start, sums.peak = segment.start + sums.elements, (x.copy(), y.copy())
            add(sums.total, found)
            sums.elements += len(x)
            if self._stop.is_set():
                break
            if not sums.settled:
                _count(sums, x, y, dtypes, int(found[Sum.EQUAL]))
        return sums

    def _blocks(self, segment: Segment, a: Checkpoint, b: Checkpoint) -> Iterator[tuple[Array, Array]]:
        if segment.stored is None:
            names, most = (segment.pair.a.name, segment.pair.b.name), self._kernel.block_bytes
            for x, y in alongside(a.blocks(names[0], most), b.blocks(names[1], most)):
                yield _real(x), _real(y)
            return
        left, right = segment.stored
        step = len(self._buffers[0]) // max(left.dtype.itemsize, right.dtype.itemsize)
        left.prefetch(segment.start, segment.stop)
        right.prefetch(segment.start, segment.stop)
        for start in range(segment.start, segment.stop, step):
            if start == segment.start or start + step > segment.stop:
                count = min(step, segment.stop - start)
                (x, bytes_x), (y, bytes_y) = (
                    _typed(buffer, side, count) for buffer, side in zip(self._buffers, segment.stored, strict=True)
                )
            left.read_into(start, bytes_x)
            right.read_into(start, bytes_y)
            yield x, y


def _typed(buffer: Array, side: InOrder, count: int) -> tuple[Array, memoryview]:
    """The beginning of a buffer as `count` elements of a side, and as bytes."""
    part = buffer[: count * side.dtype.itemsize]
    return _real(part.view(side.dtype)), part.data


def _count(sums: SegmentSums, x: Array, y: Array, dtypes: tuple[str, str], equal: int) -> None:
    """Count what is equal after rounding, until an element is found that is not even close."""
    clear = dtypes[0] == dtypes[1] and (equal == len(x) or equal < WORTH_A_LOOK * len(x))
    counts = (equal, equal, 0, 0) if clear else count_equal(x, y, *dtypes)
    sums.counts = [so_far + more for so_far, more in zip(sums.counts, (len(x), *counts), strict=True)]
    sums.settled = sums.counts[2] < sums.counts[0]


def _real(values: Array) -> Array:
    """Complex numbers as twice as many real ones."""
    return values.view(values.real.dtype) if values.dtype.kind == "c" else values
