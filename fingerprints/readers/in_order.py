"""Tensors whose stored bytes are their numbers, one after another: any part is read straight into a caller's buffer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from fingerprints.checkpoint import Checkpoint
from fingerprints.readers.source import SourceFile


@dataclass(frozen=True, slots=True, kw_only=True)
class InOrder:
    """`count` elements of `dtype` in `source` from byte `offset` on. `read` is told how many bytes were read.

    Safe to use from several threads; raises `CorruptCheckpoint` when the file changed or ends early.
    """

    source: SourceFile
    offset: int
    dtype: np.dtype[np.generic]
    count: int
    read: Callable[[int], None] = lambda count: None

    def prefetch(self, start: int, stop: int) -> None:
        """Say that elements `[start:stop]` will be read soon."""
        self.source.check()
        self.source.prefetch(self.offset + start * self.dtype.itemsize, (stop - start) * self.dtype.itemsize)

    def read_into(self, start: int, view: memoryview) -> None:
        """Fill `view`, bytes of whole elements, with the elements from `start` on."""
        size = self.dtype.itemsize
        if not 0 <= start * size <= self.count * size - len(view):
            raise IndexError(f"{len(view)} bytes from element {start} of {self.count}")
        self.source.read_into(view, self.offset + start * size)
        self.read(len(view))


@runtime_checkable
class StoredInOrder(Protocol):
    """A `RowTensor` that may be stored in order."""

    def in_order(self) -> InOrder | None:
        """Where its elements lie one after another; None where they do not."""
        ...


@runtime_checkable
class ReadsInOrder(Protocol):
    """A `Checkpoint` with such tensors."""

    def in_order(self, name: str) -> InOrder | None:
        """Where the elements of a tensor lie one after another; None where they do not."""
        ...


def in_order(checkpoint: Checkpoint, name: str) -> InOrder | None:
    """Where the elements of a tensor lie one after another, in any checkpoint; None where they do not."""
    return checkpoint.in_order(name) if isinstance(checkpoint, ReadsInOrder) else None
