"""Sums over two samples at once: squares, products, and what all rows change alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]

BLOCK = 1 << 15
"""Elements that are widened at a time: both sides stay in the second-level cache."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moments:
    """Sums in float64.

    Attributes
    ----------
    xx, yy, xy : float
        Of squares and of products.
    shift : ndarray of float64, shape (k,)
        Of `y - x` over the rows.
    """

    xx: float
    yy: float
    xy: float
    shift: Floats

    @property
    def change(self) -> float:
        """Sum of squares of `y - x`."""
        return max(self.xx + self.yy - 2.0 * self.xy, 0.0)


def moments(x: Floats32, y: Floats32) -> Moments:
    """Add up two samples.

    Parameters
    ----------
    x, y : ndarray of float32, shape (n, k)
        Values; one that is not finite makes the sums so.
    """
    xx = yy = xy = 0.0
    shift = np.zeros(x.shape[1])
    step = max(1, BLOCK // max(x.shape[1], 1))
    with np.errstate(invalid="ignore"):
        for start in range(0, len(x), step):
            left, right = (side[start : start + step].astype(np.float64) for side in (x, y))
            ones = np.ones(len(left))
            shift += ones @ right - ones @ left
            left, right = left.ravel(), right.ravel()
            xx += float(left @ left)
            yy += float(right @ right)
            xy += float(left @ right)
    return Moments(xx=xx, yy=yy, xy=xy, shift=shift)
