"""Reading tensors whose elements do not lie in order: transposed, sliced or expanded views of a storage."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np
import numpy.typing as npt

from fingerprints.checkpoint import Array
from fingerprints.readers.source import Region

_SHORT = 1 << 16
"""A stretch of this many bytes is read whole, however little of it is wanted."""
_LONG = 1 << 23
"""No stretch longer than this is read at once."""
_WASTE = 4
"""Between the two, a stretch is read whole if at least one byte in this many is wanted."""

_Indices = npt.NDArray[np.int64]


def is_contiguous(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether elements with these strides (in elements) follow each other in order without gaps."""
    expected = 1
    for length, stride in zip(reversed(shape), reversed(strides), strict=True):
        if length != 1 and stride != expected:
            return False
        expected *= length
    return True


def last_element(shape: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """Offset of the element that lies furthest back, in elements; -1 if there are none."""
    if 0 in shape:
        return -1
    return sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))


def gather(
    region: Region,
    offset: int,
    indices: _Indices,
    tail: tuple[int, ...],
    strides: tuple[int, ...],
    itemsize: int,
) -> tuple[Array, int]:
    """Read rows of a view.

    Parameters
    ----------
    region, offset
        Where element 0 of the view lies.
    indices : ndarray
        Sorted, distinct indices along axis 0.
    tail : tuple of int
        Lengths of the other axes.
    strides : tuple of int
        Of all axes, in elements, none negative.
    itemsize : int
        Bytes of one element.

    Returns
    -------
    tuple of ndarray and int
        The bytes of the rows in C order, and the number of bytes read; besides the result at most
        `_LONG` bytes are held.
    """
    cells = np.empty((len(indices), *tail, itemsize), dtype=np.uint8)
    if not cells.size:
        return cells.reshape(-1), 0
    count = 0
    pending = [(cells, indices, tuple((0, length) for length in tail))]
    while pending:
        out, rows, spans = pending.pop()
        lengths = (int(rows[-1] - rows[0]) + 1, *(stop - start for start, stop in spans))
        begin = int(rows[0]) * strides[0] + sum(
            start * stride for (start, _), stride in zip(spans, strides[1:], strict=True)
        )
        span = (last_element(lengths, strides) + 1) * itemsize
        if out.size == itemsize or span <= _SHORT or (span <= _LONG and span <= _WASTE * out.size):
            raw = np.empty(span, dtype=np.uint8)
            region.read_into(raw.data, offset + begin * itemsize)
            view = np.ndarray(
                (*lengths, itemsize), np.uint8, buffer=raw, strides=(*(stride * itemsize for stride in strides), 1)
            )
            out[...] = view if len(rows) == lengths[0] else view[rows - rows[0]]
            count += span
            continue
        reach = [(length - 1) * stride for length, stride in zip(lengths, strides, strict=True)]
        axis = reach.index(max(reach))
        half = out.shape[axis] // 2
        at = (slice(None),) * axis
        if axis == 0:
            pending.append((out[half:], rows[half:], spans))
            pending.append((out[:half], rows[:half], spans))
        else:
            start, stop = spans[axis - 1]
            before, after = spans[: axis - 1], spans[axis:]
            pending.append((out[(*at, slice(half, None))], rows, (*before, (start + half, stop), *after)))
            pending.append((out[(*at, slice(None, half))], rows, (*before, (start, start + half), *after)))
    return cells.reshape(-1), count


def pieces(shape: tuple[int, ...], most: int) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Cut a tensor into consecutive pieces of at most `most` elements.

    Yields the index of the first element, and the shape of the piece over the last axes.
    """
    if 0 in shape:
        return
    axis = len(shape) - 1
    while axis > 0 and prod(shape[axis:]) <= most:
        axis -= 1
    tail = shape[axis + 1 :]
    step = max(1, most // prod(tail))
    for prefix in np.ndindex(*shape[:axis]):
        for start in range(0, shape[axis], step):
            yield (*prefix, start, *(0 for _ in tail)), (min(step, shape[axis] - start), *tail)
