"""One-to-one matches between the units of two models by likeness, where their numbers say nothing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Floats32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
MOST_ROUNDS = 64
SAME = 0.97
"""A match this good counts, however noisy the others are."""


def mutual_matches(c: npt.NDArray[Any]) -> tuple[Ints, Ints]:
    """Stable matches of a similarity matrix: units that are each other's best, then the same among what is left.

    Parameters
    ----------
    c : ndarray, shape (m, n)
        Similarities, finite.

    Returns
    -------
    rows, columns : ndarray of int64, shape (k,)
        With `c` above the level that the best of so many unrelated pairs reach, see `chance_level`, or above .97.
    """
    level = min(SAME, chance_level(c))
    rows, columns = np.arange(c.shape[0]), np.arange(c.shape[1])
    found: list[tuple[Ints, Ints]] = []
    left = c
    for _ in range(MOST_ROUNDS):
        if not left.size:
            break
        best = left.argmax(axis=1)
        back = left.argmax(axis=0)
        mutual = np.flatnonzero((back[best] == np.arange(len(best))) & (left[np.arange(len(best)), best] > level))
        if not len(mutual):
            break
        found.append((rows[mutual], columns[best[mutual]]))
        keep_rows, keep_columns = np.ones(len(rows), bool), np.ones(len(columns), bool)
        keep_rows[mutual], keep_columns[best[mutual]] = False, False
        rows, columns = rows[keep_rows], columns[keep_columns]
        left = left[np.ix_(keep_rows, keep_columns)]
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    x, y = (np.concatenate(side) for side in zip(*found, strict=True))
    order = np.argsort(x)
    return x[order].astype(np.int64), y[order].astype(np.int64)


def chance_level(c: npt.NDArray[Any]) -> float:
    """What the largest of all entries would be if all of them were noise: the median plus sigma * sqrt(2 ln N).

    sigma comes from the median absolute deviation, which a matched pair in each row does not move. Of nothing it is 1.
    """
    if not c.size:
        return 1.0
    sample = c.ravel()[:: max(1, c.size // 200_000)]
    middle = float(np.median(sample))
    sigma = 1.4826 * float(np.median(np.abs(sample - middle)))
    return middle + sigma * math.sqrt(2.0 * math.log(max(c.size, 2)))
