"""What lies between two models, tensor by tensor, each way: which values moved, and how far."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CheckpointError
from fingerprints.pairing import Pair
from fingerprints.sampling import spread, units
from fingerprints.values import widened

Values = npt.NDArray[np.float32]
ROWS, COLUMNS = 64, 256
MOST_TENSORS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """From one side of a tensor to the other.

    `moved` is the share of the values that differ without having become zero, `apart` their squared differences, added
    up and divided by the number of all values and by the mean square of both sides. A zero tells nothing about what it
    was, and costs nothing to write.
    """

    moved: float
    apart: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One tensor that two models have in common, as far as they have it in common.

    Attributes
    ----------
    a, b : str
        Its names.
    shape : tuple of int
        Of what both have.
    squared : float
        Mean squared difference.
    level : float
        Mean square of the values of both sides.
    forth, back : Step
        From A to B and from B to A.
    """

    a: str
    b: str
    shape: tuple[int, ...]
    squared: float
    level: float
    forth: Step
    back: Step

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def is_equal(self) -> bool:
        """Whether no value differs."""
        return self.squared == 0.0

    def turned(self) -> Change:
        """The same, seen from the other side."""
        return Change(
            a=self.b,
            b=self.a,
            shape=self.shape,
            squared=self.squared,
            level=self.level,
            forth=self.back,
            back=self.forth,
        )


def change_of(a: str, b: str, shape: tuple[int, ...], before: Values, after: Values) -> Change | None:
    """The change between two samples of one tensor; None where they hold nothing that can be compared."""
    x, y = before.astype(np.float64), after.astype(np.float64)
    level = (float(np.vdot(x, x)) + float(np.vdot(y, y))) / 2.0
    if not x.size or not math.isfinite(level) or level <= 0.0:
        return None
    squares = np.square(y - x)
    return Change(
        a=a,
        b=b,
        shape=shape,
        squared=float(squares.sum()) / x.size,
        level=level / x.size,
        forth=_step(squares, y, level),
        back=_step(squares, x, level),
    )


def _step(squares: npt.NDArray[np.float64], end: npt.NDArray[np.float64], level: float) -> Step:
    moved = (squares > 0.0) & (end != 0.0)
    return Step(moved=float(moved.mean()), apart=float(squares[moved].sum()) / level)


def read_changes(
    a: Checkpoint, b: Checkpoint, pairs: Sequence[Pair], *, scaled: Collection[str] = (), shifted: Collection[str] = ()
) -> tuple[Change, ...]:
    """The changes between two views, of some rows and columns of an even spread of tensors.

    Parameters
    ----------
    a, b : Checkpoint
        Views in one layout, in which disguises are undone.
    pairs : sequence of Pair
        Their counterparts, of equal shapes.
    scaled, shifted : collection of str
        Names in A of tensors that one factor, or one row added to all, was found to tell apart: it is taken out.
    """
    found = []
    for place in spread(len(pairs), MOST_TENSORS):
        pair = pairs[place]
        x, y = read_sample(a, pair.a.name), read_sample(b, pair.b.name)
        if x is not None and y is not None and x.shape == y.shape:
            if pair.a.name in scaled and y.any():
                y = y * (np.vdot(x, y) / np.vdot(y, y))
            if pair.a.name in shifted:
                y = y - (y - x).mean(axis=0)
            change = change_of(pair.a.name, pair.b.name, tuple(pair.a.shape), x, y)
            if change is not None:
                found.append(change)
    return tuple(found)


def read_sample(checkpoint: Checkpoint, name: str) -> Values | None:
    """Some rows and columns of a tensor, the same for all models; None where they cannot be read."""
    shape = checkpoint.tensors[name].shape
    try:
        values = widened(checkpoint.take(name, units(shape[0] if shape else 1, ROWS))).astype(np.float32)
    except CheckpointError:
        return None
    values = values.reshape(len(values), -1) if values.ndim > 1 else values
    if values.ndim > 1 and values.shape[1] > COLUMNS:
        values = values[:, units(values.shape[1], COLUMNS)]
    return values
