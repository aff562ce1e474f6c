"""A checkpoint some of whose tensors are seen in another layout."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from math import prod
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from fingerprints.checkpoint import Array, Checkpoint, Origin, TensorInfo
from fingerprints.layouts.views import View
from fingerprints.readers.closing import Closing
from fingerprints.readers.element_types import ELEMENT_TYPES
from fingerprints.readers.in_order import InOrder, in_order
from fingerprints.readers.row_numbers import row_list, row_range

RUN_BYTES = 1 << 28
"""Bytes of a view computed at once: turned ones cost as much for few rows as for many."""


class RelaidCheckpoint(Closing):
    """The tensors of `inner`, but for those that views stand for; see `fingerprints.checkpoint.Checkpoint`.

    Parameters
    ----------
    inner : Checkpoint
        What is stored; closed with this one.
    replaced : collection of str
        Tensors of `inner` that are not shown.
    views : mapping
        What is shown in their place, by new name.
    """

    def __init__(self, inner: Checkpoint, replaced: Collection[str], views: Mapping[str, View]) -> None:
        self._inner = inner
        self._views = views
        shown = {name: info for name, info in inner.tensors.items() if name not in replaced}
        shown.update({name: view.info for name, view in views.items()})
        self._tensors = MappingProxyType(shown)

    @property
    def origin(self) -> Origin:
        """Where it came from."""
        return self._inner.origin

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:
        """Tensors by name: those that are stored as they are shown, then the others."""
        return self._tensors

    @property
    def bytes_total(self) -> int:
        """Bytes of all tensors as stored."""
        return self._inner.bytes_total

    @property
    def bytes_read(self) -> int:
        """Bytes of tensor data read so far, headers excluded."""
        return self._inner.bytes_read

    def rows(self, name: str, start: int, stop: int) -> Array:
        """Rows `[start:stop]`, shape `(stop - start, *shape[1:])`."""
        if name not in self._views:
            return self._inner.rows(name, start, stop)
        return self._views[name].take(self._inner, row_range(start, stop, self._length(name)))

    def take(self, name: str, indices: Sequence[int] | npt.NDArray[np.int64]) -> Array:
        """Rows at sorted, distinct `indices`, shape `(len(indices), *shape[1:])`."""
        if name not in self._views:
            return self._inner.take(name, indices)
        return self._views[name].take(self._inner, row_list(indices, self._length(name)))

    def blocks(self, name: str, max_bytes: int = 1 << 25) -> Iterator[Array]:
        """The whole tensor, in order, as flat arrays of at most `max_bytes` each; views are computed in larger runs."""
        if name not in self._views:
            yield from self._inner.blocks(name, max_bytes)
            return
        info = self._tensors[name]
        view, length = self._views[name], self._length(name)
        known = ELEMENT_TYPES[info.dtype].numpy
        itemsize = 1 if known is None else known.itemsize
        most = max(1, max_bytes // itemsize)
        step = max(1, max(RUN_BYTES, max_bytes) // max(1, prod(info.shape[1:]) * itemsize))
        rest: Array | None = None
        for start in range(0, length, step):
            flat = view.take(self._inner, np.arange(start, min(start + step, length), dtype=np.int64)).reshape(-1)
            if rest is not None and rest.size:
                flat = np.concatenate([rest, flat])
            whole = flat.size if start + step >= length else flat.size // most * most
            for at in range(0, whole, most):
                yield flat[at : min(at + most, whole)]
            rest = flat[whole:]

    def in_order(self, name: str) -> InOrder | None:
        """Where the elements of a tensor lie one after another; None where they do not, and for views."""
        return None if name in self._views else in_order(self._inner, name)

    def close(self) -> None:
        """Give file handles back."""
        self._inner.close()

    def _length(self, name: str) -> int:
        shape = self._tensors[name].shape
        return shape[0] if shape else 1
