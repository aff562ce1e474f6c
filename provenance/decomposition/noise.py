"""What storing a tensor in its type does to its values."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fingerprints.anatomy import Part
from fingerprints.checkpoint import Encoding
from fingerprints.kernels.rounding import narrowest, spacing

Floats32 = npt.NDArray[np.float32]


def own_noise(values: Floats32, part: Part) -> float:
    """Variance of rounding in values of a part, in the narrowest type that holds them."""
    return noise_of(values, narrowest(values), part.info.encoding)


def noise_of(values: Floats32, dtype: str | None, encoding: Encoding | None) -> float:
    """Variance of an element's rounding: a twelfth of the squared spacing; of packed values a share of their own."""
    if encoding is not None or dtype is None:
        bits = 8.0 if encoding is None else encoding.bits
        return float((2.0 ** (1 - bits)) ** 2 * np.mean(np.square(values, dtype=np.float64)))
    return float(np.mean(np.square(spacing(values, dtype))) / 12)
