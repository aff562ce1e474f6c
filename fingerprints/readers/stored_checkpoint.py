"""The one implementation of `Checkpoint`: tensors of any format, once a reader has said where they lie."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from fingerprints.checkpoint import Array, Origin, TensorInfo
from fingerprints.errors import UsageError
from fingerprints.readers.closing import Closing
from fingerprints.readers.in_order import InOrder, StoredInOrder
from fingerprints.readers.quoting import quoted
from fingerprints.readers.row_numbers import row_list, row_range
from fingerprints.readers.row_tensor import RowTensor
from fingerprints.readers.slabs import rows_within
from fingerprints.readers.source import SourceFile


class StoredCheckpoint(Closing):
    """Tensors that lie in files, read by position; see `fingerprints.checkpoint.Checkpoint`."""

    def __init__(self, origin: Origin, tensors: Mapping[str, RowTensor], sources: Sequence[SourceFile]) -> None:
        self._origin = origin
        self._stored = tensors
        self._sources = sources
        self._tensors = MappingProxyType({name: stored.info for name, stored in tensors.items()})
        self._bytes_read = 0
        self._lock = threading.Lock()

    def with_origin(self, origin: Origin) -> StoredCheckpoint:
        """Return the same checkpoint, known by another origin."""
        return StoredCheckpoint(origin, self._stored, self._sources)

    @property
    def origin(self) -> Origin:
        """Where the checkpoint came from."""
        return self._origin

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:
        """Tensors by name, in the order of the container."""
        return self._tensors

    @property
    def bytes_total(self) -> int:
        """Bytes of all tensors as stored; tied tensors count once."""
        sizes = {info.storage or f"\0{name}": info.nbytes for name, info in self._tensors.items()}
        return sum(sizes.values())

    @property
    def bytes_read(self) -> int:
        """Bytes of tensor data read so far, headers excluded."""
        return self._bytes_read

    def rows(self, name: str, start: int, stop: int) -> Array:
        """Rows `[start:stop]`, shape `(stop - start, *shape[1:])`."""
        stored = self._find(name)
        return self._counted(stored.take(row_range(start, stop, stored.row_count)))

    def take(self, name: str, indices: Sequence[int] | npt.NDArray[np.int64]) -> Array:
        """Rows at sorted, distinct `indices`, shape `(len(indices), *shape[1:])`; reads no other rows."""
        stored = self._find(name)
        return self._counted(stored.take(row_list(indices, stored.row_count)))

    def take_within(self, name: str, place: int, indices: Sequence[int] | npt.NDArray[np.int64]) -> Array:
        """Rows at sorted, distinct `indices` of index `place` along axis 0, shape `(len(indices), *shape[2:])`.

        Reads no other rows where the tensor lies in order, or in blocks along its last axis.
        """
        stored = self._find(name)
        shape = stored.info.shape
        if len(shape) < 2 or not 0 <= place < shape[0]:
            raise IndexError(f"rows inside index {place} of a tensor of shape {shape}")
        return self._counted(rows_within(stored, place, row_list(indices, shape[1])))

    def blocks(self, name: str, max_bytes: int = 1 << 25) -> Iterator[Array]:
        """The whole tensor, in order, as flat arrays of at most `max_bytes` each."""
        for block in self._find(name).blocks(max_bytes):
            yield self._counted(block)

    def in_order(self, name: str) -> InOrder | None:
        """Where the elements of a tensor lie one after another; None where they do not."""
        stored = self._find(name)
        found = stored.in_order() if isinstance(stored, StoredInOrder) else None
        return None if found is None else replace(found, read=self._count)

    def close(self) -> None:
        """Give all file handles back."""
        for source in self._sources:
            source.close()

    def _find(self, name: str) -> RowTensor:
        stored = self._stored.get(name)
        if stored is None:
            raise UsageError(
                f"there is no tensor {quoted(name)} among {len(self._stored)}", hint="names are case-sensitive"
            )
        return stored

    def _counted(self, read: tuple[Array, int]) -> Array:
        array, count = read
        self._count(count)
        return array

    def _count(self, count: int) -> None:
        with self._lock:
            self._bytes_read += count
