"""Unsigned integers of a few bits in a row of 32-bit words: the stream that most packing schemes share.

Field `i` of a row occupies bits `[i * bits, (i + 1) * bits)`, counted from the lowest bit of the first word; where the
bits do not divide 32, a field may begin in one word and end in the next.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from fingerprints.checkpoint import Array

Codes = npt.NDArray[np.uint8]

WORD: Final = 32
WORD_TYPES: Final = ("I32", "U32")
"""Element types of tensors of words; the sign of a word means nothing."""


def words_for(fields: int, bits: int) -> int:
    """Words that `fields` fields take up."""
    return -(-fields * bits // WORD)


def unpack_all(words: Array, bits: int, fields: int) -> Codes:
    """Return the first `fields` fields of every row.

    Parameters
    ----------
    words : array, shape (..., at least words_for(fields, bits)), 32-bit integers
    bits : int
        From 1 to 8.

    Returns
    -------
    array, shape (..., fields), uint8
    """
    words = words.view(np.uint32)
    codes = np.empty((*words.shape[:-1], fields), dtype=np.uint8)
    period = WORD // _common(bits)
    stride = period * bits // WORD
    for first in range(min(period, fields)):
        count = len(range(first, fields, period))
        at, shift = divmod(first * bits, WORD)
        column = words[..., at::stride][..., :count] >> np.uint32(shift)
        if shift + bits > WORD:
            column = column | words[..., at + 1 :: stride][..., :count] << np.uint32(WORD - shift)
        codes[..., first::period] = column & np.uint32((1 << bits) - 1)
    return codes


def unpack_some(
    words: Array, bits: int, positions: npt.NDArray[np.int64], held: npt.NDArray[np.int64] | None = None
) -> Codes:
    """Return the fields at `positions` of every row, shape (..., len(positions)); see `unpack_all`.

    `held` says which words of a row are given, sorted; all from the first on if it is None.
    """
    words = words.view(np.uint32)
    at, shift = np.divmod(positions * bits, WORD)
    split = shift + bits > WORD
    after = at[split] + 1
    if held is not None:
        at, after = np.searchsorted(held, at), np.searchsorted(held, after)
    columns = words[..., at] >> shift.astype(np.uint32)
    if split.any():
        columns[..., split] |= words[..., after] << (WORD - shift[split]).astype(np.uint32)
    codes: Codes = (columns & np.uint32((1 << bits) - 1)).astype(np.uint8)
    return codes


def words_of(positions: npt.NDArray[np.int64], bits: int) -> npt.NDArray[np.int64]:
    """Return the words that hold the fields at `positions`, sorted."""
    return np.unique(np.concatenate((positions * bits // WORD, ((positions + 1) * bits - 1) // WORD)))


def _common(bits: int) -> int:
    """Return the greatest power of two that divides `bits`."""
    return bits & -bits
