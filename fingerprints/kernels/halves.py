"""Units that two halves of their features match alike, wherever they stand.

Were two models independent, the matching by one half would say nothing about the other, and k units would be matched
alike with a probability of at most 1 / k!, as in the index test.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprints.kernels.similarity import similarity, unit_rows

Ints = npt.NDArray[np.int64]
_NONE = -1


def matched_alike(x: npt.NDArray[Any], y: npt.NDArray[Any], chosen: Ints | None = None) -> npt.NDArray[np.bool_]:
    """Which units of A both halves of the features match with one and the same unit of B, whatever its sign.

    Parameters
    ----------
    x, y : ndarray, shapes (m, k) and (n, k)
        Features of the units, one row each; even columns are one half, odd ones the other.
    chosen : ndarray of int64, optional
        Units of A that are sought; all by default.

    Returns
    -------
    ndarray of bool, one for each unit that is sought
    """
    wanted = np.arange(len(x)) if chosen is None else chosen
    if not (len(wanted) and len(y)):
        return np.zeros(len(wanted), dtype=np.bool_)
    halves = ((x[:, start::2], y[:, start::2]) for start in (0, 1))
    first, second = (_partners(unit_rows(a)[0], unit_rows(b)[0], wanted) for a, b in halves)
    return np.asarray((first != _NONE) & (first == second))


def _partners(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], chosen: Ints) -> Ints:
    """For each of the chosen rows of x the row of y that is most like it, if that holds in the other direction too."""
    forth = np.abs(similarity(x[chosen], y))
    best = forth.argmax(axis=1)
    back = np.abs(similarity(y[best], x)).argmax(axis=1)
    mutual = (back == chosen) & (forth.max(axis=1) > 0)
    return np.where(mutual, best, _NONE).astype(np.int64)
