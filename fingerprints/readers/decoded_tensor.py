"""A tensor whose rows are computed from what is stored: quantised blocks, packed integers, sums of low rank."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from fingerprints.checkpoint import Array, TensorInfo
from fingerprints.errors import UnreadableTensor
from fingerprints.readers.element_types import ELEMENT_TYPES
from fingerprints.readers.quoting import quoted

Rows = npt.NDArray[np.int64]
Decode = Callable[[Rows], tuple[Array, int]]
"""Takes row numbers, and returns the rows and the bytes that were read for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedTensor:
    """A tensor of the type that `info.dtype` names, whose rows `decode` computes.

    `decode` takes sorted, distinct row numbers and returns an array of shape `(len(indices), *info.shape[1:])` in
    that type, with the bytes that it read. It is safe to call from several threads and raises `UnreadableTensor`
    (see `unreadable`) where this tensor cannot be read. `row_bytes` is what one row costs to read at most; None where
    a few rows cost as much as all.
    """

    info: TensorInfo
    decode: Decode
    row_bytes: int | None

    @property
    def row_count(self) -> int:
        """Length of axis 0; a 0-d tensor counts as one row."""
        return self.info.shape[0] if self.info.shape else 1

    def cost(self, rows: int) -> int | None:
        """Bytes that reading `rows` rows takes at most, None if about as much as reading all."""
        return None if self.row_bytes is None else rows * self.row_bytes

    def take(self, indices: Rows) -> tuple[Array, int]:
        """Return the rows at sorted, distinct `indices`, and how many bytes were read for them."""
        return self.decode(indices)

    def blocks(self, max_bytes: int) -> Iterator[tuple[Array, int]]:
        """Yield the elements in order as flat arrays of at most `max_bytes`, each with the bytes read for it."""
        itemsize = _itemsize(self.info)
        width = prod(self.info.shape[1:])
        most = max(1, max_bytes // itemsize)
        step = max(1, most // max(width, 1))
        # Rows of nothing may be claimed in any number: one of them is enough.
        for start in range(0, self.row_count if width else min(self.row_count, 1), step):
            rows, count = self.decode(np.arange(start, min(start + step, self.row_count), dtype=np.int64))
            flat = rows.reshape(-1)
            for at in range(0, max(flat.size, 1), most):
                yield flat[at : at + most], count if at == 0 else 0


def unreadable(info: TensorInfo, path: Path, reason: str) -> UnreadableTensor:
    """Return the error that says why this tensor, and no other, cannot be read."""
    return UnreadableTensor(
        f"the tensor {quoted(info.name)} cannot be read: {reason}",
        path=path,
        tensor=info.name,
        hint="the other tensors of the checkpoint can be read; get the file again if this one is needed",
    )


def broken(info: TensorInfo, path: Path, reason: str) -> DecodedTensor:
    """Return a tensor that is known by name and shape, and cannot be read."""

    def refuse(_: Rows) -> NoReturn:
        raise unreadable(info, path, reason)

    return DecodedTensor(info=info, decode=refuse, row_bytes=None)


def _itemsize(info: TensorInfo) -> int:
    known = ELEMENT_TYPES[info.dtype].numpy
    return 1 if known is None else known.itemsize
