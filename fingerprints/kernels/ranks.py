"""Ranks and rank correlation."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def _average_ranks(values: Floats) -> Floats:
    """Ranks 1…m along the last axis of a 1-d array, ties sharing their average."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    ends = np.append(starts[1:], len(values))
    average = (starts + 1 + ends) / 2.0
    ranks = np.empty(len(values))
    ranks[order] = np.repeat(average, ends - starts)
    return ranks


def normal_ranks(values: npt.NDArray[Any]) -> Floats:
    """Centred ranks of a vector, scaled to variance one; zeros when all values are equal.

    Parameters
    ----------
    values : ndarray, shape (m,)

    Returns
    -------
    ndarray of float64, shape (m,)
    """
    ranks = _average_ranks(np.asarray(values, dtype=np.float64))
    ranks -= ranks.mean()
    deviation = float(np.sqrt(np.mean(ranks * ranks)))
    return ranks / deviation if deviation > 0 else ranks


def spearman(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> float:
    """Spearman's rank correlation of two vectors of one length, in [-1, 1]; 0 when one of them is constant."""
    if len(x) < 2:
        return 0.0
    return float(np.clip(np.mean(normal_ranks(x) * normal_ranks(y)), -1.0, 1.0))
