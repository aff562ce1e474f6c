"""What storing numbers in a narrow type does to them."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_TYPES: dict[str, Any] = {
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F16": np.dtype(np.float16),
    "F32": np.dtype(np.float32),
}
_DIGITS = {"BF16": 8, "F16": 11, "F32": 24}
_SMALLEST = {"BF16": 2.0**-133, "F16": 2.0**-24, "F32": 2.0**-149}


def narrowest(values: npt.NDArray[Any]) -> str:
    """The first of BF16, F16 and F32 that holds all finite values as they are; F32 where none does.

    Parameters
    ----------
    values : ndarray of float32
        A widened file shows the type that its numbers once had.
    """
    finite = values[np.isfinite(values)]
    for name in ("BF16", "F16"):
        with np.errstate(over="ignore"):
            if np.array_equal(finite.astype(_TYPES[name]).astype(np.float32), finite):
                return name
    return "F32"


def rounded_to(values: Floats, name: str) -> Floats:
    """The values after a round trip through a type; through float32 first, as arithmetic goes."""
    with np.errstate(over="ignore"):
        return np.asarray(values.astype(np.float32).astype(_TYPES[name]).astype(np.float64))


def spacing(values: npt.NDArray[Any], name: str) -> Floats:
    """Distance of neighbouring numbers of a type around each value; rounding is wrong by at most half of it."""
    _, exponents = np.frexp(values.astype(np.float64))
    steps = np.ldexp(1.0, exponents - _DIGITS[name])
    return np.maximum(np.where(values == 0, 0.0, steps), _SMALLEST[name])
