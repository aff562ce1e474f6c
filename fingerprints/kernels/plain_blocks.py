"""Block sums by numpy alone, in buffers that are used again and fit the processor's second-level cache."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from fingerprints.kernels.block_sums import Sum, Sums, exact_sums, nothing
from fingerprints.values import Array, Floats32

_BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
_WIDENED = (_BFLOAT16, np.dtype(np.float16), np.dtype(np.float32))
_HIGH = np.uint32(0xFFFF0000)
_RUN = 4096
"""Elements added up in float32 before the sums go to float64."""


class PlainBlocks:
    """See the module. Blocks of other types than bfloat16, float16 and float32 are added up by `exact_sums`."""

    name = "plain"
    block_bytes = 1 << 18

    def __init__(self) -> None:
        self._found = nothing()
        self._x: Floats32 = np.empty(0, np.float32)
        self._y: Floats32 = np.empty(0, np.float32)
        self._mask: npt.NDArray[np.bool_] = np.empty(0, np.bool_)

    def sums(self, a: Array, b: Array) -> Sums:
        """The sums over two flat blocks; see `BlockKernel`."""
        if a.dtype not in _WIDENED or b.dtype not in _WIDENED:
            return exact_sums(a, b)
        if len(self._x) < len(a):
            self._x, self._y = np.empty(len(a), np.float32), np.empty(len(a), np.float32)
            self._mask = np.empty(len(a), np.bool_)
        x, y, mask = self._x[: len(a)], self._y[: len(a)], self._mask[: len(a)]
        even = len(a) % 2 == 0 and a.dtype == b.dtype == _BFLOAT16
        _widen(a, x, split=even)
        _widen(b, y, split=even)
        found = self._found
        with np.errstate(over="ignore", invalid="ignore"):
            found[Sum.XX], found[Sum.YY], found[Sum.XY] = _product(x, x), _product(y, y), _product(x, y)
            if not np.isfinite(found[: Sum.DD]).all():
                return exact_sums(a, b)
            self._count(x, y, mask)
            np.subtract(y, x, out=y)
            found[Sum.DD] = _product(y, y)
            found[Sum.PEAK] = max(float(y.max(initial=0.0)), -float(y.min(initial=0.0)))
        if not np.isfinite(found).all():
            return exact_sums(a, b)
        found[Sum.BITS] = _differing(a, b, mask) if a.dtype == b.dtype else 0
        return found

    def _count(self, x: Floats32, y: Floats32, mask: npt.NDArray[np.bool_]) -> None:
        found = self._found
        found[Sum.EQUAL] = np.count_nonzero(np.equal(x, y, out=mask))
        found[Sum.ZEROS_A] = np.count_nonzero(np.equal(x, 0, out=mask))
        zero_a = mask.copy() if found[Sum.ZEROS_A] else None
        found[Sum.ZEROS_B] = np.count_nonzero(np.equal(y, 0, out=mask))
        found[Sum.ZEROS_BOTH] = 0 if zero_a is None else np.count_nonzero(np.logical_and(mask, zero_a, out=mask))
        signs: Any = np.bitwise_xor(x.view(np.int32), y.view(np.int32))
        np.less(signs, 0, out=mask)
        if zero_a is not None:
            mask &= ~zero_a
        if found[Sum.ZEROS_B]:
            mask &= y != 0
        found[Sum.FLIPS] = np.count_nonzero(mask)


def _widen(values: Array, out: Floats32, *, split: bool) -> None:
    """Copy as float32; `split` allows the even elements to come before the odd ones, which takes two whole words."""
    if not split:
        np.copyto(out, values)
        return
    words, half = values.view(np.uint32), len(values) // 2
    bits = out.view(np.uint32)
    np.left_shift(words, np.uint32(16), out=bits[:half])
    np.bitwise_and(words, _HIGH, out=bits[half:])


def _product(x: Floats32, y: Floats32) -> float:
    """The sum of products."""
    whole = len(x) // _RUN * _RUN
    runs = np.vecdot(x[:whole].reshape(-1, _RUN), y[:whole].reshape(-1, _RUN))
    return float(runs.sum(dtype=np.float64)) + float(np.dot(x[whole:], y[whole:]))


def _differing(a: Array, b: Array, mask: npt.NDArray[np.bool_]) -> int:
    """How many stored bits differ; blocks of whole words only write into `mask`'s memory."""
    left, right = a.view(np.uint8), b.view(np.uint8)
    if left.size % 8:
        left = np.concatenate([left, np.zeros(-left.size % 8, np.uint8)])
        right = np.concatenate([right, np.zeros(-right.size % 8, np.uint8)])
    words: Any = left.view(np.uint64) ^ right.view(np.uint64)
    ones = np.bitwise_count(words, out=mask.view(np.uint8)[: len(words)])
    return int(ones.sum(dtype=np.uint32))
