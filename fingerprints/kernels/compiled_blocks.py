"""Block sums in one pass over bfloat16, float16 and float32, compiled by numba and kept on the disk where it may write.

Values are widened in registers: a block is read once from the cache, and nothing is written.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numba
import numpy as np
from numba import types
from numba.extending import intrinsic, overload

from fingerprints.kernels.block_sums import Sum, Sums, differing_bits, exact_sums, nothing
from fingerprints.values import Array

_RUN = 4096
"""Elements added up in float32 before the sums go to float64; counts of as many are exact."""
_ZERO, _ONE = np.float32(0), np.float32(1)
_HALF_SCALE = np.float32(2.0**112)
"""From a float16's exponent to a float32's."""


_STORED: dict[Any, Any] = {
    np.dtype(ml_dtypes.bfloat16): np.uint16,
    np.dtype(np.float16): np.int16,
    np.dtype(np.float32): np.uint32,
}
"""As which integers values are handed over: the type tells compiled code how to widen them."""


class CompiledBlocks:
    """See the module. Blocks of other types are added up by `exact_sums`."""

    name = "compiled"
    block_bytes = 1 << 17

    def __init__(self) -> None:
        self._found = nothing()

    def sums(self, a: Array, b: Array) -> Sums:
        """The sums over two flat blocks; see `BlockKernel`."""
        if a.dtype not in _STORED or b.dtype not in _STORED:
            return exact_sums(a, b)
        left, right, found = a.view(_STORED[a.dtype]), b.view(_STORED[b.dtype]), self._found
        _float_sums(left, right, found)
        if not np.isfinite(found).all():
            return exact_sums(a, b)
        found[Sum.BITS] = _differing(a, b) if a.dtype == b.dtype else 0
        return found


def _differing(a: Array, b: Array) -> int:
    if a.nbytes % 8:
        return differing_bits(a, b)
    return int(_differing_bits(a.view(np.uint64), b.view(np.uint64)))


def _compiled(function: Any, **options: Any) -> Any:
    """The function, compiled for types of arguments as they come; kept on the disk where numba finds a place."""
    try:
        return numba.njit(error_model="numpy", cache=True, **options)(function)
    except RuntimeError:
        return numba.njit(error_model="numpy", **options)(function)


def _from_bfloat16(bits: Any) -> Any:
    return np.uint32(np.uint32(bits) << np.uint32(16)).view(np.float32)


def _from_float16(bits: Any) -> Any:
    """NaN for what is not finite."""
    whole = np.uint32(bits)
    size = np.uint32(np.uint32(whole & np.uint32(0x7FFF)) << np.uint32(13))
    sign = np.uint32(np.uint32(whole & np.uint32(0x8000)) << np.uint32(16))
    value = np.float32(np.uint32(sign | size).view(np.float32) * _HALF_SCALE)
    return np.float32(np.nan) if size >= np.uint32(0x0F800000) else value


def _from_float32(bits: Any) -> Any:
    return np.uint32(bits).view(np.float32)


def _widened(bits: Any) -> Any:
    """The value as float32; compiled code takes the function that fits the type."""
    raise NotImplementedError


def _widening(bits: Any) -> Any:
    return {types.uint16: _from_bfloat16, types.int16: _from_float16, types.uint32: _from_float32}[bits]


def _population(context: Any, value: Any) -> Any:
    return value(value), lambda _, builder, __, arguments: builder.ctpop(arguments[0])


overload(_widened)(_widening)
_ones = intrinsic(_population)
"""How many bits of an integer are set, in one instruction."""


def _add_up(a: Any, b: Any, found: Any) -> None:
    """All sums but `BITS`, of values that are finite. Zeros are rare: where some product is zero, a second look counts
    them, and sets right the signs that were compared as if there were none.
    """
    found[:] = 0.0
    peak = np.uint32(0)
    some_zero = False
    for start in range(0, a.size, _RUN):
        left, right = a[start : start + _RUN], b[start : start + _RUN]
        xx, yy, xy, dd = _ZERO, _ZERO, _ZERO, _ZERO
        equal, flips, none = _ZERO, _ZERO, _ZERO
        for i in range(left.size):
            x, y = _widened(left[i]), _widened(right[i])
            change = np.float32(y - x)
            product = np.float32(x * y)
            xx += x * x
            yy += y * y
            xy += product
            dd += change * change
            size = np.uint32(change.view(np.uint32) & np.uint32(0x7FFFFFFF))
            if size > peak:
                peak = size
            signs = np.uint32(np.float32(x).view(np.uint32) ^ np.float32(y).view(np.uint32)) >> np.uint32(31)
            flips += np.float32(np.int32(signs))
            equal += _ONE if x == y else _ZERO
            none += _ONE if product == _ZERO else _ZERO
        found[0] += xx
        found[1] += yy
        found[2] += xy
        found[3] += dd
        found[4] += equal
        found[5] += flips
        if none > _ZERO:
            some_zero = True
    if some_zero:
        _add_up_zeros(a, b, found)
    found[12] = np.uint32(peak).view(np.float32)


def _zeros(a: Any, b: Any, found: Any) -> None:
    """Flips and zeros, by sums of products: conditions joined by `and` would not stay in vector registers."""
    found[5] = 0.0
    for start in range(0, a.size, _RUN):
        left, right = a[start : start + _RUN], b[start : start + _RUN]
        flips, none_a, none_b, none = _ZERO, _ZERO, _ZERO, _ZERO
        for i in range(left.size):
            x, y = _widened(left[i]), _widened(right[i])
            below_a, below_b = _ONE if x < _ZERO else _ZERO, _ONE if y < _ZERO else _ZERO
            above_a, above_b = _ONE if x > _ZERO else _ZERO, _ONE if y > _ZERO else _ZERO
            flips += below_a * above_b + above_a * below_b
            zero_a, zero_b = _ONE if x == _ZERO else _ZERO, _ONE if y == _ZERO else _ZERO
            none_a += zero_a
            none_b += zero_b
            none += zero_a * zero_b
        found[5] += flips
        found[6] += none_a
        found[7] += none_b
        found[8] += none


def _count_differing(a: Any, b: Any) -> int:
    total = np.uint64(0)
    for i in range(a.size):
        total += _ones(a[i] ^ b[i])
    return total  # type: ignore[return-value]


_IN_LANES = {"reassoc", "nsz", "contract"}
"""Sums may be taken in lanes; NaN and infinity keep their meaning."""
_add_up_zeros = _compiled(_zeros, nogil=True, fastmath=_IN_LANES)
_float_sums = _compiled(_add_up, nogil=True, fastmath=_IN_LANES)
_differing_bits = _compiled(_count_differing, nogil=True)
