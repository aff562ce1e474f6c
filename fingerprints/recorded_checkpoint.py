"""A checkpoint that remembers which of its rows were read, so that others can look at the same ones."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprints.checkpoint import Array, Checkpoint, Origin, TensorInfo
from fingerprints.readers.closing import Closing
from fingerprints.readers.in_order import InOrder, in_order
from fingerprints.sampling import Ints

BLOCK = 1 << 24
"""Bytes that are digested at once."""
Runs = tuple[tuple[int, int], ...]
"""First and last row of each run, in order, with gaps between them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was read of one tensor.

    `rows` are runs along axis 0 (a 0-d tensor is one row). `sha256` is the digest of these rows one after another, each
    in C order, little-endian, in `dtype`; where the tensor is `stored_as` something else than its `dtype`, of the
    decoded numbers.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    stored_as: str
    rows: Runs
    sha256: str


class RecordedCheckpoint(Closing):
    """`inner`, see `fingerprints.checkpoint.Checkpoint`; `readings` says what was read through this one."""

    def __init__(self, inner: Checkpoint) -> None:
        self.inner = inner
        self._read: dict[str, npt.NDArray[np.bool_]] = {}
        self._lock = threading.Lock()

    @property
    def origin(self) -> Origin:
        """Where it came from."""
        return self.inner.origin

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:
        """Tensors by name."""
        return self.inner.tensors

    @property
    def bytes_total(self) -> int:
        """Bytes of all tensors as stored."""
        return self.inner.bytes_total

    @property
    def bytes_read(self) -> int:
        """Bytes of tensor data read so far, headers excluded."""
        return self.inner.bytes_read

    def rows(self, name: str, start: int, stop: int) -> Array:
        """Rows `[start:stop]`."""
        found = self.inner.rows(name, start, stop)
        self._note(name, slice(start, stop))
        return found

    def take(self, name: str, indices: Sequence[int] | npt.NDArray[np.int64]) -> Array:
        """Rows at sorted, distinct `indices`."""
        found = self.inner.take(name, indices)
        self._note(name, np.asarray(indices, dtype=np.int64))
        return found

    def blocks(self, name: str, max_bytes: int = 1 << 25) -> Iterator[Array]:
        """The whole tensor in order; rows count as read from the block on that they begin in."""
        info, done = self.inner.tensors[name], 0
        for block in self.inner.blocks(name, max_bytes):
            done += block.size
            self._note(name, slice(0, -(-done * _length(info) // max(1, info.size))))
            yield block

    def in_order(self, name: str) -> InOrder | None:
        """Where the elements of a tensor lie one after another; who asks for it reads them all."""
        found = in_order(self.inner, name)
        if found is not None:
            self._note(name, slice(None))
        return found

    def close(self) -> None:
        """Give file handles back."""
        self.inner.close()

    def readings(self) -> tuple[Reading, ...]:
        """What was read so far, by name. Reads it once more, for the digests."""
        found = []
        for name in sorted(self._read):
            info = self.inner.tensors[name]
            rows = _runs(np.flatnonzero(self._read[name]))
            found.append(
                Reading(
                    name=name,
                    shape=info.shape,
                    dtype=info.dtype,
                    stored_as=info.stored_as,
                    rows=rows,
                    sha256=digest_of_rows(self.inner, name, rows),
                )
            )
        return tuple(found)

    def _note(self, name: str, rows: slice | Ints) -> None:
        with self._lock:
            seen = self._read.get(name)
            if seen is None:
                seen = self._read[name] = np.zeros(_length(self.inner.tensors[name]), dtype=np.bool_)
            seen[rows] = True


def unrecorded(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint that is recorded, or itself where none is."""
    return checkpoint.inner if isinstance(checkpoint, RecordedCheckpoint) else checkpoint


def digest_of_rows(checkpoint: Checkpoint, name: str, rows: Runs) -> str:
    """SHA-256 of rows of one tensor, as `Reading` has it.

    Raises
    ------
    UnreadableTensor, CorruptCheckpoint
        As the readers do.
    """
    info = checkpoint.tensors[name]
    whole = hashlib.sha256()
    length = _length(info)
    if rows == ((0, length - 1),):
        for block in checkpoint.blocks(name, BLOCK):
            whole.update(_as_bytes(block))
        return whole.hexdigest()
    step = max(1, BLOCK * length // max(1, info.nbytes))
    wanted = np.concatenate([_NONE, *(np.arange(first, last + 1, dtype=np.int64) for first, last in rows)])
    for start in range(0, len(wanted), step):
        whole.update(_as_bytes(checkpoint.take(name, wanted[start : start + step])))
    return whole.hexdigest()


_NONE: Ints = np.zeros(0, dtype=np.int64)


def _as_bytes(values: Array) -> memoryview:
    plain = np.ascontiguousarray(values)
    if sys.byteorder == "big":
        plain = plain.byteswap()
    return plain.reshape(-1).view(np.uint8).data


def _length(info: TensorInfo) -> int:
    return info.shape[0] if info.shape else 1


def _runs(rows: Ints) -> Runs:
    """Sorted positions as first and last of each run of neighbours."""
    if not len(rows):
        return ()
    gaps = np.flatnonzero(np.diff(rows) > 1)
    firsts, lasts = rows[np.concatenate(([0], gaps + 1))], rows[np.concatenate((gaps, [len(rows) - 1]))]
    return tuple((int(first), int(last)) for first, last in zip(firsts, lasts, strict=True))
