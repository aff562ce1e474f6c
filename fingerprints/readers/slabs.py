"""Rows inside one slab: index `place` along axis 0 of a tensor, such as one expert of a stack of them.

A slab of a tensor whose elements lie in order is a tensor of its own, of which any rows are read; a slab that is
decoded as a whole is read as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from fingerprints.checkpoint import Array, Checkpoint
from fingerprints.readers.row_numbers import Rows, row_list
from fingerprints.readers.row_tensor import RowTensor


@runtime_checkable
class Stack(Protocol):
    """A `RowTensor` whose slabs are tensors of their own."""

    def slab(self, place: int) -> RowTensor | None:
        """Return index `place` along axis 0, of shape `info.shape[1:]`, of a tensor of two axes or more.

        None where its rows cannot be read by themselves.
        """
        ...


@runtime_checkable
class ReadsSlabs(Protocol):
    """A `Checkpoint` that reads rows inside a slab."""

    def take_within(self, name: str, place: int, indices: Sequence[int] | npt.NDArray[np.int64]) -> Array:
        """Rows at sorted, distinct `indices` of index `place` along axis 0, shape `(len(indices), *shape[2:])`."""
        ...


def take_within(checkpoint: Checkpoint, name: str, place: int, indices: Sequence[int] | Rows) -> Array:
    """Rows of one slab of a tensor, and no others where the checkpoint and the way it is stored allow it.

    Parameters
    ----------
    checkpoint, name
        The tensor, of shape (slabs, rows, ...).
    place : int
        The slab.
    indices : sequence of int
        Sorted, distinct rows of the slab.
    """
    if isinstance(checkpoint, ReadsSlabs):
        return checkpoint.take_within(name, place, indices)
    whole = checkpoint.rows(name, place, place + 1)[0]
    return np.ascontiguousarray(whole[row_list(indices, len(whole))])


def rows_within(tensor: RowTensor, place: int, indices: Rows) -> tuple[Array, int]:
    """Return rows of one slab at sorted, distinct `indices`, and how many bytes were read for them."""
    inner = tensor.slab(place) if isinstance(tensor, Stack) else None
    if inner is not None:
        return inner.take(indices)
    found, count = tensor.take(np.array([place], dtype=np.int64))
    return np.ascontiguousarray(found[0][indices]), count
