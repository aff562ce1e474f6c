"""What one signal saw on one tensor: the currency between signals and groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprints.anatomy import Part
from fingerprints.axes import TestAxis
from fingerprints.kernels import similarity, unit_rows
from fingerprints.ordering import Order
from fingerprints.sampling import Ints

Floats = npt.NDArray[np.float64]
LARGE = 1 << 16
"""In larger samples one element in 61 is looked at first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contribution:
    """One part of a group's evidence.

    Either `similarity`, the cosines of this tensor's units (shape (m, m)), or `columns`, one number a unit and side
    (two vectors of length m) that the group stacks with others before any cosine is formed.
    """

    signal: str
    axis: TestAxis
    part: Part
    positions: Ints
    order: Order
    similarity: Floats | None = None
    columns: tuple[Floats, Floats] | None = None


def part_similarity(x: npt.NDArray[Any], y: npt.NDArray[Any], *, device: str, magnitude: bool = False) -> Floats:
    """Cosines of the units of one tensor; on the common support where both sides share a zero mask.

    Parameters
    ----------
    x, y : ndarray, shapes (m, k)
        Features.
    device : str
        Where the products are formed.
    magnitude : bool
        Take absolute cosines (units whose sign is free).

    Notes
    -----
    Equal masks make strangers' units overlap most with their own counterpart. Cosines over the common support take
    that advantage away: the matched ones then vary less than the others, which errs on the side of chance.
    """
    left, _ = unit_rows(x)
    right, _ = unit_rows(y)
    c = similarity(left, right, device=device)
    if shares_zero_mask(x, y):
        magnitude = False
        mask_x, mask_y = (x != 0).astype(np.float64), (y != 0).astype(np.float64)
        seen = similarity(left * left, mask_y, device=device) * similarity(mask_x, right * right, device=device)
        c = np.divide(c, np.sqrt(seen), out=np.zeros_like(c), where=seen > 1e-12)
    np.clip(c, -1.0, 1.0, out=c)
    return np.abs(c) if magnitude else c


def shares_zero_mask(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> bool:
    """Whether zeros stand at the same places on both sides more often than their density explains."""
    if min(np.count_nonzero(side.ravel()[::61] == 0) for side in (x, y)) == 0 and x.size > LARGE:
        return False
    zero_x, zero_y = x == 0, y == 0
    p, q = float(zero_x.mean()), float(zero_y.mean())
    if min(p, q) < 0.02 or max(p, q) > 0.999:
        return False
    both = float(np.mean(zero_x & zero_y))
    spread = np.sqrt(p * (1 - p) * q * (1 - q) / x.size)
    return bool((both - p * q) > 6.0 * spread)
