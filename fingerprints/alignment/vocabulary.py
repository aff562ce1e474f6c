"""Which token of B each token of A is: by what it is called, or by its row of the embedding.

Rows of tokens are not exchangeable, and nothing is tested on their index; what finds rows by content must see only
dimensions that no test looks at.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import numpy.typing as npt

from fingerprints.alignment.axis_map import AxisMap
from fingerprints.sampling import Ints
from fingerprints.tokens import Tokens

Floats32 = npt.NDArray[np.float32]

LEAST = 0.5
"""Cosine below which two rows are not taken for one token."""
MARGIN = 0.2
"""What the best match must be ahead of the second."""
PROMISING = 0.1
"""Of the matches in a probe of two equal tables, those that must be found."""
BLOCK = 1 << 22
"""Cosines that are held at once."""


def in_place(units_a: int, units_b: int) -> AxisMap:
    """Every row where it is, as far as both sides reach."""
    both = np.arange(min(units_a, units_b), dtype=np.int64)
    return AxisMap(a=both, b=both, units_a=units_a, units_b=units_b)


def match_tokens(a: Tokens, b: Tokens, units: tuple[int, int] | None = None) -> AxisMap:
    """Tokens of equal text, in A's order.

    Parameters
    ----------
    a, b : Tokens
        The two sides.
    units : pair of int, optional
        Rows of the two embeddings: ids beyond them are left out. By default, as many as there are ids.
    """
    units_a, units_b = units or (len(a.texts), len(b.texts))
    theirs = b.ids
    pairs = sorted((place, theirs[text]) for text, place in a.ids.items() if text in theirs)
    kept = [(x, y) for x, y in pairs if x < units_a and y < units_b]
    return _mapped(np.array(kept, dtype=np.int64).reshape(-1, 2), units_a, units_b)


def match_rows(a: Floats32, b: Floats32) -> AxisMap:
    """Rows of equal values; then rows that are each other's nearest by far.

    Parameters
    ----------
    a, b : ndarray of float32, shapes (n, d) and (m, d)
        Rows in the same dimensions. What all rows have in common is taken off each side before they are compared.

    Returns
    -------
    AxisMap
        In A's order. Of several equal rows, the first of A is the first of B, and so on.
    """
    equal = _equal_rows(a, b)
    left_a = np.setdiff1d(np.arange(len(a), dtype=np.int64), equal[:, 0])
    left_b = np.setdiff1d(np.arange(len(b), dtype=np.int64), equal[:, 1])
    near = _nearest(centred(a)[left_a], centred(b)[left_b])
    found = np.concatenate([equal, np.stack([left_a[near[:, 0]], left_b[near[:, 1]]], axis=1)])
    return _mapped(found[np.argsort(found[:, 0])], len(a), len(b))


def promising(x: Floats32, y: Floats32, expected: float) -> bool:
    """Whether a few rows of both sides match: matching all rows of strangers would be in vain.

    Parameters
    ----------
    x, y : ndarray of float32, shapes (n, d) and (m, d)
        A few rows of either side.
    expected : float
        Matches that equal tables would have in such a probe.
    """
    return len(match_rows(x, y).a) >= PROMISING * expected


def centred(rows: Floats32) -> Floats32:
    """Rows without their mean, of length one; rows of zeros stay so, and count for no mean.

    Parameters
    ----------
    rows : ndarray of float32, shape (n, d)
        Values; what is not finite counts as zero.
    """
    finite = np.isfinite(rows)
    values = np.array(rows) if finite.all() else np.where(finite, rows, np.float32(0))
    used: npt.NDArray[np.bool_] = np.any(values, axis=1)
    if used.any():
        mean = values.sum(axis=0, dtype=np.float64) / np.count_nonzero(used)
        np.subtract(values, mean.astype(np.float32), out=values, where=used[:, np.newaxis])
    norms = np.sqrt(np.einsum("ij,ij->i", values, values, dtype=np.float64))
    values /= np.where(norms > 0, norms, 1.0).astype(np.float32)[:, np.newaxis]
    return values


def _mapped(pairs: Ints, units_a: int, units_b: int) -> AxisMap:
    return AxisMap(
        a=np.ascontiguousarray(pairs[:, 0]), b=np.ascontiguousarray(pairs[:, 1]), units_a=units_a, units_b=units_b
    )


def _equal_rows(a: Floats32, b: Floats32) -> Ints:
    """Places of rows with the same bytes."""
    theirs: dict[bytes, list[int]] = defaultdict(list)
    for place in range(len(b) - 1, -1, -1):
        theirs[b[place].tobytes()].append(place)
    found = [(place, left.pop()) for place in range(len(a)) if (left := theirs.get(a[place].tobytes()))]
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def _nearest(x: Floats32, y: Floats32) -> Ints:
    """Places of unit rows that are each other's nearest, clearly before the second nearest of both."""
    if not (len(x) and len(y)):
        return np.zeros((0, 2), dtype=np.int64)
    best, second = np.full((2, len(y)), -1.0, dtype=np.float32)
    back = np.zeros(len(y), dtype=np.int64)
    forth: list[tuple[Ints, Floats32, Floats32]] = []
    step = max(1, BLOCK // len(y))
    for start in range(0, len(x), step):
        c = x[start : start + step] @ y.T
        forth.append(_two_largest(c.copy(), axis=1))
        at, first, runner_up = _two_largest(c, axis=0)
        second = np.maximum(np.minimum(best, first), np.maximum(second, runner_up))
        back = np.where(first > best, at + start, back)
        best = np.maximum(best, first)
    nearest, cosine, runner_up = (np.concatenate(parts) for parts in zip(*forth, strict=True))
    rival = np.maximum(runner_up, second[nearest])
    clear = (cosine - rival >= MARGIN) | (2.0 * (1.0 - cosine) <= 1.0 - rival)
    mutual = back[nearest] == np.arange(len(x))
    rows = np.flatnonzero(mutual & clear & (cosine >= LEAST))
    return np.stack([rows, nearest[rows]], axis=1).astype(np.int64)


def _two_largest(c: Floats32, *, axis: int) -> tuple[Ints, Floats32, Floats32]:
    """Where along an axis the largest entries are, these, and the next ones; the former are lowered in `c` itself."""
    at = np.expand_dims(c.argmax(axis=axis), axis)
    first = np.take_along_axis(c, at, axis=axis).squeeze(axis)
    np.put_along_axis(c, at, np.float32(-1.0), axis=axis)
    return at.squeeze(axis), first, c.max(axis=axis)
