"""A tensor that can be read row by row, however it is stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fingerprints.checkpoint import Array, TensorInfo


class RowTensor(Protocol):
    """What a checkpoint is made of. Every method is safe to call from several threads.

    Raises
    ------
    UnreadableTensor
        When this tensor, and no other, cannot be read.
    CorruptCheckpoint
        When the file changed or ends early.
    """

    @property
    def info(self) -> TensorInfo:
        """Name, shape, type and size."""
        ...

    @property
    def row_count(self) -> int:
        """Length of axis 0; a 0-d tensor counts as one row."""
        ...

    def cost(self, rows: int) -> int | None:
        """Bytes that reading `rows` rows takes at most, or None if that is not known or far more than the rows hold."""
        ...

    def take(self, indices: npt.NDArray[np.int64]) -> tuple[Array, int]:
        """Return the rows at sorted, distinct `indices`, and how many bytes were read for them."""
        ...

    def blocks(self, max_bytes: int) -> Iterator[tuple[Array, int]]:
        """Yield the elements in order as flat arrays of at most `max_bytes`, each with the bytes read for it."""
        ...


def take_in_any_order(tensor: RowTensor, rows: npt.NDArray[np.int64]) -> tuple[Array, int]:
    """Return rows at distinct indices in the order in which these are given, and how many bytes were read for them."""
    order = np.argsort(rows)
    found, count = tensor.take(rows[order])
    given = np.empty_like(found)
    given[order] = found
    return given, count
