"""Numbers out of stored elements: widening to float32, and comparison after rounding to a narrower type."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats32 = npt.NDArray[np.float32]

PRECISION = {"F64": 53, "F32": 24, "F16": 11, "BF16": 8}
"""Significant bits of the types that models are trained and published in, widest first."""
_ROUND_TO: dict[str, Any] = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
}
_INTEGERS: dict[int, Any] = {2: np.int16, 4: np.int32, 8: np.int64}
WORTH_A_LOOK = 0.9
"""With a smaller share of exactly equal elements than this, close ones are not looked for."""


def widened(array: Array) -> Floats32:
    """The values as float32; an exact copy for every type of at most 24 significant bits.

    Parameters
    ----------
    array : ndarray
        Any real dtype, `ml_dtypes` included; complex arrays gain a last axis of length 2.
    """
    if array.dtype == np.float32:
        return array
    if array.dtype == ml_dtypes.bfloat16:
        bits = array.view(np.uint16).astype(np.uint32)
        bits <<= np.uint32(16)
        return bits.view(np.float32)
    if array.dtype.kind == "c":
        return np.stack([array.real, array.imag], axis=-1).astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(np.float32)


def narrower(dtype_a: str, dtype_b: str) -> str | None:
    """The narrower of two float types, None when one of them is not among F64, F32, F16, BF16."""
    if dtype_a in PRECISION and dtype_b in PRECISION:
        return min(dtype_a, dtype_b, key=PRECISION.__getitem__)
    return None


def count_equal(a: Array, b: Array, dtype_a: str, dtype_b: str) -> tuple[int, int, int, int]:
    """How many elements are equal after rounding both to the narrower type, and how many are within one ulp of it.

    Parameters
    ----------
    a, b : ndarray
        Equally many elements, in their own dtypes.
    dtype_a, dtype_b : str
        Their safetensors names. Types other than F64, F32, F16 and BF16 are only ever equal to their own kind.

    Returns
    -------
    exact, close, lost_a, lost_b : int
        `close` counts exact ones too; `lost_a` and `lost_b` are the elements of either side that rounding changed.
        Below nine exact elements in ten, `close` is `exact` and losses are not counted. A value that overflows in the
        narrower type is unequal; NaN equals NaN. Between BF16, of fewer digits, and F16, of a narrower range, the type
        counts in which more are equal: a value too small for F16 is lost when a BF16 file is cast.
    """
    a, b = a.ravel(), b.ravel()
    target = narrower(dtype_a, dtype_b)
    if target is None:
        if dtype_a != dtype_b:
            return 0, 0, 0, 0
        return _bytes_equal(a, b)
    same_type = dtype_a == dtype_b
    with np.errstate(over="ignore", invalid="ignore"):
        counts = _count_rounded(a, b, _ROUND_TO[target], same_type=same_type)
        if {dtype_a, dtype_b} == {"F16", "BF16"} and counts[0] < len(a):
            other = _count_rounded(a, b, _ROUND_TO["F16"], same_type=same_type)
            counts = max(counts, other, key=lambda each: each[:2])
    return counts


def _count_rounded(a: Array, b: Array, target: Any, *, same_type: bool) -> tuple[int, int, int, int]:
    """`count_equal` of two floating-point types."""
    x, y = a.astype(target, copy=False), b.astype(target, copy=False)
    exact = _same_bits(x, y) if same_type else _same_values(x, y, a, b)
    matches = int(np.count_nonzero(exact))
    if same_type and matches < len(a):
        exact |= _is_nan(x) & _is_nan(y)
        matches = int(np.count_nonzero(exact))
    if same_type and matches == len(a):
        return matches, matches, 0, 0
    if matches < WORTH_A_LOOK * len(a):
        return matches, matches, 0, 0
    near = np.abs(_ordered(x) - _ordered(y)) <= 1
    near &= np.isfinite(x) & np.isfinite(y)
    return matches, int(np.count_nonzero(near | exact)), _changed(a, x), _changed(b, y)


def _changed(values: Array, rounded: Array) -> int:
    """How many values rounding changed; NaN stays NaN."""
    return int(np.count_nonzero((rounded.astype(values.dtype) != values) & ~np.isnan(values)))


def _same_bits(x: Array, y: Array) -> npt.NDArray[np.bool_]:
    """Equal bit patterns, and zeros of either sign."""
    integer = _INTEGERS[x.dtype.itemsize]
    i, j = x.view(integer), y.view(integer)
    sign = integer(-1 << (8 * x.dtype.itemsize - 1))
    return np.asarray((i == j) | (((i | j) & ~sign) == 0))


def _is_nan(x: Array) -> npt.NDArray[np.bool_]:
    """By the bits: types that numpy does not know are slow to ask."""
    if x.dtype != ml_dtypes.bfloat16:
        return np.isnan(x)
    return np.asarray((x.view(np.uint16) & np.uint16(0x7FFF)) > np.uint16(0x7F80))


def _same_values(x: Array, y: Array, a: Array, b: Array) -> npt.NDArray[np.bool_]:
    """Equal rounded values that did not overflow; NaN equals NaN."""
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    return np.asarray(same & (np.isinf(x) == np.isinf(a)) & (np.isinf(y) == np.isinf(b)))


def _bytes_equal(a: Array, b: Array) -> tuple[int, int, int, int]:
    width = max(a.dtype.itemsize, 1)
    rows = a.view(np.uint8).reshape(-1, width) == b.view(np.uint8).reshape(-1, width)
    same = int(np.count_nonzero(rows.all(axis=1)))
    return same, same, 0, 0


def _ordered(values: Array) -> npt.NDArray[np.int64]:
    """Bit patterns of floats as integers in the order of their values, wide enough to subtract."""
    wide = values.view(_INTEGERS[values.dtype.itemsize]).astype(np.int64)
    lowest = np.int64(-(1 << (8 * values.dtype.itemsize - 1)))
    return np.asarray(np.where(wide < 0, lowest - wide, wide), dtype=np.int64)
