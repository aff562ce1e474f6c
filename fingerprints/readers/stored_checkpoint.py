"""The one implementation of `Checkpoint`: tensors of any format, once a reader has said where they lie."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from fingerprints.checkpoint import Array, Origin, TensorInfo
from fingerprints.errors import UsageError
from fingerprints.readers.quoting import quoted
from fingerprints.readers.row_tensor import RowTensor
from fingerprints.readers.source import SourceFile


class StoredCheckpoint:
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
        if not 0 <= start <= stop <= stored.row_count:
            raise IndexError(f"rows {start}:{stop} of {stored.row_count} rows")
        return self._counted(stored.take(np.arange(start, stop, dtype=np.int64)))

    def take(self, name: str, indices: Sequence[int] | npt.NDArray[np.int64]) -> Array:
        """Rows at sorted, distinct `indices`, shape `(len(indices), *shape[1:])`; reads no other rows."""
        stored = self._find(name)
        wanted = np.asarray(indices, dtype=np.int64)
        if wanted.ndim != 1 or (wanted.size and (wanted[0] < 0 or wanted[-1] >= stored.row_count)):
            raise IndexError(f"indices must be one list of numbers from 0 to {stored.row_count - 1}")
        if wanted.size > 1 and not (np.diff(wanted) > 0).all():
            raise IndexError("indices must be sorted and distinct")
        return self._counted(stored.take(wanted))

    def blocks(self, name: str, max_bytes: int = 1 << 25) -> Iterator[Array]:
        """The whole tensor, in order, as flat arrays of at most `max_bytes` each."""
        for block in self._find(name).blocks(max_bytes):
            yield self._counted(block)

    def close(self) -> None:
        """Give all file handles back."""
        for source in self._sources:
            source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _find(self, name: str) -> RowTensor:
        stored = self._stored.get(name)
        if stored is None:
            raise UsageError(
                f"there is no tensor {quoted(name)} among {len(self._stored)}", hint="names are case-sensitive"
            )
        return stored

    def _counted(self, read: tuple[Array, int]) -> Array:
        array, count = read
        with self._lock:
            self._bytes_read += count
        return array
