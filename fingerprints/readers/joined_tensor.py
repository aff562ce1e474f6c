"""A tensor that several stored ones make up: slices of tensor parallelism, shards of a distributed checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from fingerprints.checkpoint import Array, TensorInfo
from fingerprints.readers.decoded_tensor import DecodedTensor, Rows, broken
from fingerprints.readers.element_types import ELEMENT_TYPES
from fingerprints.readers.row_tensor import RowTensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stored tensor, and the index at which its first element lies in the whole."""

    tensor: RowTensor
    offset: tuple[int, ...]

    @property
    def stop(self) -> tuple[int, ...]:
        """One more than the index of its last element, on every axis."""
        return tuple(at + length for at, length in zip(self.offset, self.tensor.info.shape, strict=True))


def join(info: TensorInfo, pieces: Sequence[Piece], path: Path) -> DecodedTensor:
    """Return the tensor `info` that `pieces` make up, which reads from each of them only the rows that are asked for.

    Pieces that do not fill the shape exactly, or are of another type, give a tensor that cannot be read; `path` is
    named by its error.
    """
    fault = _fault(info, pieces)
    if fault is not None:
        return broken(info, path, fault)
    if len(pieces) == 1:
        only = pieces[0].tensor
        return DecodedTensor(info=info, decode=only.take, row_bytes=only.cost(1))
    ordered = tuple(sorted(pieces, key=lambda piece: piece.offset))

    def decode(indices: Rows) -> tuple[Array, int]:
        whole = np.empty((len(indices), *info.shape[1:]), dtype=ELEMENT_TYPES[info.dtype].numpy)
        count = 0
        for piece in ordered:
            first, last = np.searchsorted(indices, (piece.offset[0], piece.stop[0])).tolist()
            if first < last:
                rows, read = piece.tensor.take(indices[first:last] - piece.offset[0])
                inner = tuple(slice(at, end) for at, end in zip(piece.offset[1:], piece.stop[1:], strict=True))
                whole[(slice(first, last), *inner)] = rows
                count += read
        return whole, count

    return DecodedTensor(info=info, decode=decode, row_bytes=_row_bytes(ordered))


def _row_bytes(pieces: Sequence[Piece]) -> int | None:
    """Bytes that the dearest row takes: one row of every piece that begins at the same row."""
    stripes: dict[int, int] = {}
    for piece in pieces:
        cost = piece.tensor.cost(1)
        if cost is None:
            return None
        stripes[piece.offset[0]] = stripes.get(piece.offset[0], 0) + cost
    return max(stripes.values(), default=0)


def _fault(info: TensorInfo, pieces: Sequence[Piece]) -> str | None:
    """Say why the pieces are not a grid that fills the shape, if they are not."""
    if ELEMENT_TYPES[info.dtype].numpy is None:
        return f"{info.dtype} elements are not decoded"
    types = sorted({piece.tensor.info.dtype for piece in pieces} - {info.dtype})
    if types:
        return f"it is {info.dtype}, and some of its {len(pieces)} pieces are {', '.join(types)}"
    if any(len(piece.offset) != len(info.shape) for piece in pieces):
        return f"its {len(pieces)} pieces do not have its {len(info.shape)} axes"
    if any(len(piece.tensor.info.shape) != len(info.shape) for piece in pieces):
        return f"its {len(pieces)} pieces do not have its {len(info.shape)} axes"
    ends: list[dict[int, int]] = []
    for axis, length in enumerate(info.shape):
        cuts = sorted({piece.offset[axis] for piece in pieces})
        if cuts[:1] != [0]:
            return f"its {len(pieces)} pieces leave out the beginning of axis {axis}"
        ends.append(dict(zip(cuts, [*cuts[1:], length], strict=True)))
    filled = len({piece.offset for piece in pieces}) == len(pieces) == prod(len(cuts) for cuts in ends)
    fitting = all(
        end == ends[axis][at]
        for piece in pieces
        for axis, (at, end) in enumerate(zip(piece.offset, piece.stop, strict=True))
    )
    if not filled or not fitting:
        return f"its {len(pieces)} pieces do not fill the shape {info.shape} without gap or overlap"
    return None
