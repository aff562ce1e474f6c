"""Which units of an axis of A stand for which units of B: the common currency of searches."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from fingerprints.ordering import Order
from fingerprints.sampling import Ints

Floats32 = npt.NDArray[np.float32]
FEWEST_SHARE = 0.2
"""Of the shorter axis' units must have a counterpart."""


class Spare(StrEnum):
    """What the units of the longer axis are that have no counterpart."""

    OTHER = "other"
    COPIES = "copies"
    """Most are like another unit of their own side that has one."""
    ZERO = "zero"
    """Most are zero, or next to that."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AxisMap:
    """Units of A's axis and the units of B's axis that they stand for: unit `a[k]` is unit `b[k]`.

    Attributes
    ----------
    a, b : ndarray of int64, shape (k,)
        Units of either side, each at most once; `a` ascends.
    units_a, units_b : int
        Lengths of the axis.
    sought : int or None
        Units of the shorter axis for which a counterpart was sought; None for all of them.
    effect : float or None
        Median cosine of the matched units, on features that the search did not see.
    noise : float
        What the best of unrelated units reach on those.
    order : Order
        What the norms of the units say about their numbers.
    spare : Spare or None
        What is left on the longer axis; None where nothing is.
    agreement : float or None
        Share of the shorter side's units that what they read and what they pass on, each searched by itself, match
        alike.
    """

    a: Ints
    b: Ints
    units_a: int
    units_b: int
    sought: int | None = None
    effect: float | None = None
    noise: float = 0.0
    order: Order = Order.SERIAL
    spare: Spare | None = None
    agreement: float | None = None

    @property
    def is_identity(self) -> bool:
        """Whether every unit stands for the one of its own number, and none is left."""
        return self.units_a == self.units_b == len(self.a) and bool(np.array_equal(self.a, self.b))

    @property
    def in_order(self) -> bool:
        """Whether the matched units come in one order on both sides."""
        return bool((np.diff(self.b) > 0).all())

    @property
    def credible(self) -> bool:
        """Whether matched units are clearly more alike than the best of unrelated ones, and not a few stray ones."""
        return self.is_identity or (
            self.effect is not None
            and self.effect > self.noise
            and len(self.a) * self.stands_for >= FEWEST_SHARE * min(self.units_a, self.units_b)
        )

    @property
    def stands_for(self) -> float:
        """How many matched units each one stands for, where counterparts were sought for a sample."""
        return min(self.units_a, self.units_b) / self.sought if self.sought else 1.0


def identity_map(length: int) -> AxisMap:
    """Every unit stands for itself."""
    units = np.arange(length, dtype=np.int64)
    return AxisMap(a=units, b=units, units_a=length, units_b=length)
