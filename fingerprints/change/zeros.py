"""Which weights were set to zero, and in which pattern."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats32 = npt.NDArray[np.float32]

PATTERNS = ((2, 4), (4, 8), (1, 4))
"""At least n zeros in every m neighbouring inputs."""
KEEPING = 0.999
"""Share of the runs that must keep a pattern."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Zeros:
    """Share of zeros on either side, and the n:m pattern of the sparser one, such as `2:4`."""

    a: float
    b: float
    pattern: str | None


def find_zeros(x: Floats32, y: Floats32) -> Zeros:
    """Zeros of two counterparts.

    Parameters
    ----------
    x, y : ndarray of float32, shape (m, n)
        Whole rows of A and B, inputs along axis 1.
    """
    shares = float(np.mean(x == 0)), float(np.mean(y == 0))
    return Zeros(a=shares[0], b=shares[1], pattern=_pattern(x if shares[0] > shares[1] else y))


def _pattern(values: Floats32) -> str | None:
    zero = values == 0
    for n, m in PATTERNS:
        if values.shape[1] % m or zero.mean() < n / m - 0.01:
            continue
        counts = zero.reshape(len(values), -1, m).sum(axis=2)
        chance = abs(float(zero.mean()) - n / m) < 0.02
        if float(np.mean(counts >= n)) >= KEEPING and chance:
            return f"{n}:{m}"
    return None
