"""Tensors computed from rows of other tensors: a part of a fused one, one expert of a stack, a turned matrix."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Final, Protocol

import numpy as np

from fingerprints.checkpoint import Array, Checkpoint, TensorInfo
from fingerprints.layouts.row_map import Ints, RowMap
from fingerprints.readers.slabs import take_within
from fingerprints.values import widened

RUN_BYTES = 1 << 25
"""Bytes of the stored tensor that a turned view holds at once."""
RAISED: Final = "F32"
"""The type of gains to which 1 was added."""


class View(Protocol):
    """A tensor over the tensors of another checkpoint."""

    @property
    def info(self) -> TensorInfo:
        """What the view looks like."""
        ...

    def take(self, inner: Checkpoint, indices: Ints) -> Array:
        """Rows at sorted, distinct `indices`, in the dtype of `info`."""
        ...


def seen_as(stored: TensorInfo, name: str, shape: tuple[int, ...], label: str) -> TensorInfo:
    """The stored tensor's description under another name and shape; bytes in proportion to the elements.

    Parameters
    ----------
    stored : TensorInfo
        What is looked at.
    name, shape
        Of the view.
    label : str
        What part it is: tied tensors stay tied where the same part of both is looked at.
    """
    return replace(
        stored,
        name=name,
        shape=shape,
        nbytes=stored.nbytes * prod(shape) // max(stored.size, 1),
        storage=None if stored.storage is None else f"{stored.storage}|{label}",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PartOfRows:
    """Some rows of `source`, or, `turned`, some of its rows as columns.

    Costs what these rows cost; any row of a turned one costs all of them.
    """

    info: TensorInfo
    source: str
    rows: RowMap
    turned: bool = False

    def take(self, inner: Checkpoint, indices: Ints) -> Array:
        """Rows at sorted, distinct `indices`."""
        if not self.turned:
            return inner.take(self.source, self.rows(indices))
        columns = inner.take(self.source, self.rows(np.arange(self.rows.count, dtype=np.int64)))
        return np.ascontiguousarray(columns[:, indices].T)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """`source` with its axes in another order, the last one first, and neighbours folded into one before and after.

    Every row of the source holds an element of each row of the view: all of it is read, in runs of bounded size, and
    what is kept is the size of the result.
    """

    info: TensorInfo
    source: str
    folded: tuple[int, ...]
    """The source's shape, in which axes after the first may be folded into one."""
    order: tuple[int, ...]
    """Axes of `folded` in the order of the view, which may be folded again; the first of them is the last."""

    def take(self, inner: Checkpoint, indices: Ints) -> Array:
        """Rows at sorted, distinct `indices`."""
        stored = inner.tensors[self.source]
        step = max(1, RUN_BYTES // max(1, prod(stored.shape[1:]) * 8))
        runs = [
            inner.rows(self.source, start, min(start + step, stored.shape[0])).reshape(-1, *self.folded[1:])[
                ..., indices
            ]
            for start in range(0, stored.shape[0], step)
        ]
        turned = np.concatenate(runs).transpose(self.order)
        return np.ascontiguousarray(turned).reshape(len(indices), *self.info.shape[1:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """`source` with its axes but the first in another order; costs the rows that are asked for."""

    info: TensorInfo
    source: str
    order: tuple[int, ...]
    """Axes of the source in the order of the view; the first of them is the first."""

    def take(self, inner: Checkpoint, indices: Ints) -> Array:
        """Rows at sorted, distinct `indices`."""
        return np.ascontiguousarray(inner.take(self.source, indices).transpose(self.order))


@dataclass(frozen=True, slots=True, kw_only=True)
class Flattened:
    """`source`, a bias by heads, as one vector; costs all of it."""

    info: TensorInfo
    source: str

    def take(self, inner: Checkpoint, indices: Ints) -> Array:
        """Elements at sorted, distinct `indices`."""
        return inner.rows(self.source, 0, inner.tensors[self.source].shape[0]).reshape(-1)[indices]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reordered:
    """Rows of the view `of` from `start` on, whose runs of `run` rows stand in `order`."""

    info: TensorInfo
    of: View
    start: int
    run: int
    order: tuple[int, ...]

    def take(self, inner: Checkpoint, indices: Ints) -> Array:
        """Rows at sorted, distinct `indices`."""
        runs = np.asarray(self.order, dtype=np.int64)
        wanted = self.start + runs[indices // self.run] * self.run + indices % self.run
        places = np.argsort(wanted)
        found: Array = self.of.take(inner, wanted[places])[np.argsort(places)]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """The sum of two tensors, in their type."""

    info: TensorInfo
    terms: tuple[str, str]

    def take(self, inner: Checkpoint, indices: Ints) -> Array:
        """Rows at sorted, distinct `indices`."""
        one, other = (inner.take(name, indices) for name in self.terms)
        total: Array = (widened(one) + widened(other)).astype(one.dtype)
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOfStack:
    """Some rows of one matrix (or some elements of one vector) of a stack of them.

    Costs these rows where the stack lies in order and nothing is turned, else one matrix.
    """

    info: TensorInfo
    source: str
    place: int
    rows: RowMap
    turned: bool = False

    def take(self, inner: Checkpoint, indices: Ints) -> Array:
        """Rows at sorted, distinct `indices`."""
        wanted = self.rows(indices)
        if not self.turned:
            return take_within(inner, self.source, self.place, wanted)
        one = inner.rows(self.source, self.place, self.place + 1)[0]
        return np.ascontiguousarray(one.T[wanted])


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """`source` with 1 added to every number, in float32."""

    info: TensorInfo
    source: str

    def take(self, inner: Checkpoint, indices: Ints) -> Array:
        """Rows at sorted, distinct `indices`."""
        raised: Array = widened(inner.take(self.source, indices)).astype(np.float32) + np.float32(1)
        return raised


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """Rows of `direction`, each brought to the length that `length` gives: `w = g v / |v|`.

    https://pytorch.org/docs/stable/generated/torch.nn.utils.weight_norm.html (the default, `dim=0`)
    """

    info: TensorInfo
    direction: str
    length: str

    def take(self, inner: Checkpoint, indices: Ints) -> Array:
        """Rows at sorted, distinct `indices`, rounded to the type of `direction`."""
        stored = inner.take(self.direction, indices)
        values = widened(stored).astype(np.float64)
        lengths = widened(inner.take(self.length, indices)).astype(np.float64).reshape(-1)
        norms = np.sqrt(np.square(values).sum(axis=tuple(range(1, values.ndim))))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            scale = (lengths / norms).reshape(-1, *(1,) * (values.ndim - 1))
            merged: Array = (values * scale).astype(stored.dtype)
        return merged
