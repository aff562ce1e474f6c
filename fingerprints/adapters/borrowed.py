"""A tensor of one checkpoint that another one shows, under a name of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fingerprints.checkpoint import Array, Checkpoint, Origin, TensorInfo
from fingerprints.readers.decoded_tensor import DecodedTensor
from fingerprints.readers.row_tensor import RowTensor
from fingerprints.readers.slabs import take_within
from fingerprints.readers.stored_checkpoint import StoredCheckpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class BorrowedTensor:
    """A `fingerprints.readers.row_tensor.RowTensor`; the bytes that it costs are counted where it is read from."""

    info: TensorInfo
    source: Checkpoint
    name: str

    @property
    def row_count(self) -> int:
        """Length of axis 0; a 0-d tensor counts as one row."""
        return self.info.shape[0] if self.info.shape else 1

    def cost(self, rows: int) -> int | None:
        """Bytes that reading `rows` rows takes."""
        return rows * self.info.nbytes // max(self.row_count, 1)

    def take(self, indices: npt.NDArray[np.int64]) -> tuple[Array, int]:
        """Return the rows at sorted, distinct `indices`."""
        return self.source.take(self.name, indices), 0

    def slab(self, place: int) -> DecodedTensor:
        """Return index `place` along axis 0 as a tensor of its own; it must have two axes or more."""
        info = replace(self.info, shape=self.info.shape[1:], nbytes=self.info.nbytes // max(self.row_count, 1))
        return DecodedTensor(
            info=info, decode=lambda rows: (take_within(self.source, self.name, place, rows), 0), row_bytes=None
        )

    def blocks(self, max_bytes: int) -> Iterator[tuple[Array, int]]:
        """Yield the elements in order as flat arrays of at most `max_bytes`."""
        for block in self.source.blocks(self.name, max_bytes):
            yield block, 0


def borrow(source: Checkpoint, name: str, known_as: str | None = None) -> BorrowedTensor:
    """Return a tensor of a checkpoint, by the same name or another."""
    info = source.tensors[name]
    return BorrowedTensor(info=replace(info, name=known_as or name), source=source, name=name)


class BorrowingCheckpoint(StoredCheckpoint):
    """A checkpoint whose tensors are read from, or computed from, those of others, which it closes."""

    def __init__(self, origin: Origin, tensors: Mapping[str, RowTensor], lenders: tuple[Checkpoint, ...]) -> None:
        super().__init__(origin, tensors, ())
        self._lenders = lenders

    @property
    def bytes_total(self) -> int:
        """Bytes of all tensors as stored."""
        return sum(lender.bytes_total for lender in self._lenders)

    @property
    def bytes_read(self) -> int:
        """Bytes of tensor data read so far, headers excluded."""
        return sum(lender.bytes_read for lender in self._lenders)

    def close(self) -> None:
        """Give all file handles back."""
        for lender in self._lenders:
            lender.close()
