"""Which unit of B each unit of A stands for, along one axis."""

from __future__ import annotations

from dataclasses import dataclass

from fingerprints.sampling import Ints


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AxisMap:
    """Units of A's axis and the units of B's axis that they stand for.

    Attributes
    ----------
    a, b : ndarray of int64, shape (k,)
        Unit `a[k]` is unit `b[k]`; each at most once on either side.
    units_a, units_b : int
        Lengths of the two axes.
    """

    a: Ints
    b: Ints
    units_a: int
    units_b: int
