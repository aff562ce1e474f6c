"""What is added up over the elements of two tensors, a block at a time, and the exact way to do it.

Every implementation (`plain_blocks`, `compiled_blocks`, `torch_blocks`) fills one float64 vector a block, in the order
of `Sum`; vectors of several blocks are added, but for the largest change. `exact_sums` is the reference, takes every
type, and is what the others turn to for blocks with values that are not finite.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fingerprints.values import Array

Sums = npt.NDArray[np.float64]


class Sum(IntEnum):
    """Places in the vector. Norms and changes leave out elements that are not finite on both sides."""

    XX = 0
    """Sum of squares of A."""
    YY = 1
    """Sum of squares of B."""
    XY = 2
    """Sum of products."""
    DD = 3
    """Sum of squared differences."""
    EQUAL = 4
    """Equal values: zeros of either sign are equal, and so are two NaNs."""
    FLIPS = 5
    """One side is positive, the other negative."""
    ZEROS_A = 6
    ZEROS_B = 7
    ZEROS_BOTH = 8
    NONFINITE_A = 9
    NONFINITE_B = 10
    BITS = 11
    """Stored bits that differ; 0 unless both sides have one type."""
    PEAK = 12
    """Largest absolute difference; the largest, not the sum, of several blocks."""


class BlockKernel(Protocol):
    """One way to add up blocks. Belongs to one thread: it may keep buffers."""

    name: str
    block_bytes: int
    """Bytes of either side that it likes to get at once."""

    def sums(self, a: Array, b: Array) -> Sums:
        """The sums over two flat blocks of equally many elements, each in its own dtype.

        Returns
        -------
        ndarray of float64, shape (len(Sum),)
            Valid until the next call.
        """
        ...


def nothing() -> Sums:
    """The sums over no elements."""
    return np.zeros(len(Sum))


def add(total: Sums, block: Sums) -> None:
    """Add the sums of one block to a total, in place."""
    peak = max(total[Sum.PEAK], block[Sum.PEAK])
    total += block
    total[Sum.PEAK] = peak


def exact_sums(a: Array, b: Array) -> Sums:
    """The sums over two flat blocks in float64.

    Parameters
    ----------
    a, b : ndarray, shape (n,)
        Any real dtype, `ml_dtypes` included.

    Returns
    -------
    ndarray of float64, shape (len(Sum),)
    """
    with np.errstate(over="ignore", invalid="ignore"):
        x, y = a.astype(np.float64), b.astype(np.float64)
        equal = a == b if a.dtype == b.dtype else x == y
        equal |= np.isnan(x) & np.isnan(y)
        finite_a, finite_b = np.isfinite(x), np.isfinite(y)
        both = finite_a & finite_b
        found = nothing()
        found[Sum.EQUAL] = np.count_nonzero(equal)
        found[Sum.FLIPS] = np.count_nonzero(((x < 0) & (y > 0)) | ((x > 0) & (y < 0)))
        found[Sum.ZEROS_A] = np.count_nonzero(x == 0)
        found[Sum.ZEROS_B] = np.count_nonzero(y == 0)
        found[Sum.ZEROS_BOTH] = np.count_nonzero((x == 0) & (y == 0))
        found[Sum.NONFINITE_A] = len(x) - np.count_nonzero(finite_a)
        found[Sum.NONFINITE_B] = len(y) - np.count_nonzero(finite_b)
        found[Sum.BITS] = differing_bits(a, b) if a.dtype == b.dtype else 0
        x[~both] = 0
        y[~both] = 0
        found[Sum.XX], found[Sum.YY], found[Sum.XY] = x @ x, y @ y, x @ y
        y -= x
        found[Sum.DD] = y @ y
        found[Sum.PEAK] = np.abs(y, out=y).max(initial=0.0)
    return found


def differing_bits(a: Array, b: Array) -> int:
    """How many stored bits of two contiguous arrays of one dtype differ."""
    left, right = a.reshape(-1).view(np.uint8), b.reshape(-1).view(np.uint8)
    whole = left.size // 8 * 8
    words: Any = left[:whole].view(np.uint64) ^ right[:whole].view(np.uint64)
    rest = np.bitwise_count(left[whole:] ^ right[whole:])
    return int(np.bitwise_count(words).sum(dtype=np.int64)) + int(rest.sum(dtype=np.int64))


def largest_change(a: Array, b: Array) -> int:
    """Where in two flat blocks the largest absolute difference of finite values lies, the first of equals."""
    with np.errstate(over="ignore", invalid="ignore"):
        change = np.abs(b.astype(np.float64) - a.astype(np.float64))
    return int(np.where(np.isfinite(change), change, -1.0).argmax())
