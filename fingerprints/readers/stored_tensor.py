"""Where one tensor lies, and reading its rows from there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import numpy.typing as npt

from fingerprints.checkpoint import Array, TensorInfo
from fingerprints.errors import UnreadableTensor
from fingerprints.readers import strided
from fingerprints.readers.decoded_tensor import unreadable
from fingerprints.readers.element_types import ElementType
from fingerprints.readers.in_order import InOrder
from fingerprints.readers.source import Region, SourceFile


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTensor:
    """A tensor of `element`s in `region`, the first at byte `offset`.

    `strides` counts elements, and is None where rows follow each other without gaps. `swap` says that the bytes are in
    the other order than this machine's. `fault` says why the tensor cannot be read, if it cannot.
    """

    info: TensorInfo
    element: ElementType
    region: Region
    offset: int = 0
    strides: tuple[int, ...] | None = None
    swap: bool = False
    fault: str | None = None

    @property
    def row_count(self) -> int:
        """Length of axis 0; a 0-d tensor counts as one row."""
        return self.info.shape[0] if self.info.shape else 1

    def cost(self, rows: int) -> int | None:
        """Bytes that reading `rows` rows takes, None where it cannot be read or its rows do not lie in one piece."""
        row = self.element.stored_bytes(prod(self.info.shape[1:]))
        plain = self.fault is None and self.strides is None and self.element.numpy is not None
        return rows * row if plain and row is not None and isinstance(self.region, SourceFile) else None

    def take(self, indices: npt.NDArray[np.int64]) -> tuple[Array, int]:
        """Return the rows at sorted, distinct `indices`, and how many bytes were read for them."""
        self._require_readable()
        self.region.check()
        tail = self.info.shape[1:]
        shape = (len(indices), *tail)
        if self.strides is not None and self.info.shape:
            return self._gather(indices, shape)
        row = self.element.stored_bytes(prod(tail))
        if row is None:
            raise self.unreadable(f"rows of {prod(tail)} {self.element.name} elements do not end on a byte")
        raw = np.empty(len(indices) * row, dtype=np.uint8)
        if raw.size:
            view = raw.data
            breaks = np.flatnonzero(np.diff(indices) != 1) + 1
            first = np.concatenate(([0], breaks))
            stops = np.append(breaks, len(indices)) * row
            read_into, base = self.region.read_into, self.offset
            starts = base + indices[first] * row
            runs = list(zip((first * row).tolist(), stops.tolist(), starts.tolist(), strict=True))
            if isinstance(self.region, SourceFile):
                self.region.announce([(offset, offset + stop - start) for start, stop, offset in runs])
            for start, stop, offset in runs:
                read_into(view[start:stop], offset)
        return self.element.decode(raw, shape, swap=self.swap), raw.size

    def slab(self, place: int) -> StoredTensor | None:
        """Return index `place` along axis 0 as a tensor of its own, None where its rows do not begin with a byte."""
        shape = self.info.shape[1:]
        if self.element.stored_bytes(prod(shape[1:])) is None:
            return None
        width = prod(shape) if self.strides is None else self.strides[0]
        before = place * width * self.element.bits // 8
        info = replace(self.info, shape=shape, nbytes=self.info.nbytes // max(self.row_count, 1), storage=None)
        strides = None if self.strides is None else self.strides[1:]
        return replace(self, info=info, offset=self.offset + before, strides=strides)

    def blocks(self, max_bytes: int) -> Iterator[tuple[Array, int]]:
        """Yield the elements in order as flat arrays of at most `max_bytes`, each with the bytes read for it."""
        self._require_readable()
        self.region.check()
        itemsize = 1 if self.element.numpy is None else self.element.numpy.itemsize
        step = 2 if self.element.bits == 4 else 1
        most = max(step, max_bytes // itemsize // step * step)
        if self.strides is None or not self.info.shape:
            for start in range(0, self.info.size, most):
                yield self._flat(start, min(start + most, self.info.size))
            return
        for index, shape in strided.pieces(self.info.shape, most):
            offset = sum(at * stride for at, stride in zip(index, self.strides, strict=True))
            strides = self.strides[len(index) - len(shape) :] if shape else ()
            raw, count = strided.gather(
                self.region,
                self.offset + offset * itemsize,
                np.arange(shape[0], dtype=np.int64),
                shape[1:],
                strides,
                itemsize,
            )
            yield self.element.decode(raw, (prod(shape),), swap=self.swap), count

    def in_order(self) -> InOrder | None:
        """Where the elements lie one after another, as numpy holds them; None where they do not."""
        kind, one_byte = self.element.numpy, self.element.bits == 8
        if self.fault is not None or self.strides is not None or not isinstance(self.region, SourceFile):
            return None
        if kind is None or self.element.bits < 8 or self.element.name == "BOOL" or (self.swap and not one_byte):
            return None
        return InOrder(source=self.region, offset=self.offset, dtype=kind, count=self.info.size)

    def unreadable(self, reason: str) -> UnreadableTensor:
        """Return the error that says why this tensor, and no other, cannot be read."""
        return unreadable(self.info, self.region.path, reason)

    def _require_readable(self) -> None:
        if self.fault is not None:
            raise self.unreadable(self.fault)
        if self.element.numpy is None:
            raise self.unreadable(f"{self.element.name} elements of {self.element.bits} bits are not decoded")

    def _flat(self, start: int, stop: int) -> tuple[Array, int]:
        begin, end = self.element.stored_bytes(start), self.element.stored_bytes(stop)
        if begin is None or end is None:
            raise self.unreadable(f"{self.info.size} {self.element.name} elements do not end on a byte")
        raw = np.empty(end - begin, dtype=np.uint8)
        if isinstance(self.region, SourceFile):
            self.region.announce([(self.offset + begin, self.offset + end)])
        self.region.read_into(raw.data, self.offset + begin)
        return self.element.decode(raw, (stop - start,), swap=self.swap), raw.size

    def _gather(self, indices: npt.NDArray[np.int64], shape: tuple[int, ...]) -> tuple[Array, int]:
        itemsize = self.element.bits // 8
        raw, count = strided.gather(self.region, self.offset, indices, shape[1:], self.strides or (), itemsize)
        return self.element.decode(raw, shape, swap=self.swap), count
