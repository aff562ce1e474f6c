"""Spherical interpolation between two vectors, seen through their inner products.

K. Shoemake, Animating rotation with quaternion curves, SIGGRAPH 1985.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

NEARLY_PARALLEL = 0.9995
"""Cosine beyond which merging tools interpolate linearly."""
SMALLEST_SINE = 1e-7
STEPS = 40
SPAN = (-0.5, 1.5)
_GOLDEN = (math.sqrt(5) - 1) / 2


def coefficients(t: float, cosine: float, limit: float = NEARLY_PARALLEL) -> tuple[float, float]:
    """Factors of the first and the second vector at `t`, from 0, the first, to 1, the second."""
    angle = math.acos(max(-1.0, min(1.0, cosine)))
    if abs(cosine) > limit or math.sin(angle) < SMALLEST_SINE:
        return 1 - t, t
    return math.sin((1 - t) * angle) / math.sin(angle), math.sin(t * angle) / math.sin(angle)


def position(products: Floats, targets: Floats, cosine: float, limit: float = NEARLY_PARALLEL) -> float:
    """Where on the arc between two vectors a third one lies: `t` of least squared distance.

    Parameters
    ----------
    products : ndarray, shape (2, 2)
        Inner products of the two vectors.
    targets : ndarray, shape (2,)
        Their inner products with the third.
    cosine : float
        Of the angle of the arc, which may belong to longer vectors than the products were taken of.
    limit : float
        Cosine beyond which the arc is a line.

    Notes
    -----
    Golden-section search: the distance has one minimum in the span where it is looked for, [-0.5, 1.5].
    """

    def distance(t: float) -> float:
        factors = np.array(coefficients(t, cosine, limit))
        return float(factors @ products @ factors - 2 * factors @ targets)

    low, high = SPAN
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = distance(left), distance(right)
    for _ in range(STEPS):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = distance(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = distance(right)
    return (low + high) / 2
