"""Guard of the permutation null: are the units of an axis really interchangeable?

Looks at each model alone, at nothing but the norms of its units. One interchangeable side is enough for an exact test.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprints.kernels import log10_two_sided, normal_ranks
from fingerprints.sampling import RUN, Ints

ALARM = -6.0
"""log10 of the p-value below which an axis counts as ordered."""
MOST_FEATURES = 1024


class Order(StrEnum):
    """What the norms of an axis say about its units."""

    FREE = "free"
    TREND = "trend"
    """Norms rise or fall with the index: units are compared with their 16 neighbours only."""
    SERIAL = "serial"
    """Neighbours resemble each other: the index means something, and is not tested."""


def order_of(features: npt.NDArray[Any], positions: Ints) -> Order:
    """Judge one side.

    Parameters
    ----------
    features : ndarray, shape (m, k)
        Features of the units.
    positions : ndarray of int64, shape (m,)
        Their indices, ascending.
    """
    if len(features) < 2 * RUN:
        return Order.FREE
    wide = np.asarray(features, dtype=np.float64)
    norms = np.sqrt(np.einsum("ij,ij->i", wide, wide))
    if not np.isfinite(norms).all():
        return Order.FREE
    ranks = normal_ranks(norms)
    if _serial(ranks, positions) or _alike(wide, norms, positions):
        return Order.SERIAL
    trend = float(np.mean(ranks * normal_ranks(positions)))
    return Order.TREND if log10_two_sided(trend * math.sqrt(len(norms) - 1)) < ALARM else Order.FREE


def _serial(ranks: npt.NDArray[np.float64], positions: Ints) -> bool:
    """Whether neighbours are more alike than others of their window: first-order autocorrelation inside windows."""
    window = windows(positions)
    counts = np.bincount(window)
    means = np.bincount(window, weights=ranks) / np.maximum(counts, 1)
    centred = ranks - means[window]
    beside = (np.diff(positions) == 1) & (np.diff(window) == 0)
    pairs = int(beside.sum())
    variance = float(np.mean(centred * centred))
    if pairs < RUN or variance <= 0:
        return False
    correlation = float(np.sum(centred[:-1] * centred[1:] * beside)) / (pairs * variance)
    return log10_two_sided((correlation + 1.0 / RUN) * math.sqrt(pairs)) < ALARM


def _alike(features: npt.NDArray[np.float64], norms: npt.NDArray[np.float64], positions: Ints) -> bool:
    """Whether features of neighbours point the same way more than those of others in their window."""
    count = len(positions) // RUN
    blocks = features[: count * RUN, :MOST_FEATURES].reshape(count, RUN, -1)
    scale = np.where(norms > 0, norms, 1.0)[: count * RUN].reshape(count, RUN)
    cosines = blocks @ blocks.transpose(0, 2, 1) / (scale[:, :, None] * scale[:, None, :])
    beside = np.diff(positions[: count * RUN].reshape(count, RUN), axis=1) == 1
    neighbours = np.diagonal(cosines, offset=1, axis1=1, axis2=2)
    upper = np.triu_indices(RUN, k=1)
    others = cosines[:, upper[0], upper[1]]
    excess = np.where(beside, neighbours - others.mean(axis=1, keepdims=True), 0.0)
    variance = float(np.sum(others.var(axis=1) * beside.sum(axis=1)))
    if beside.sum() < RUN or variance <= 0:
        return False
    return log10_two_sided(float(excess.sum()) / math.sqrt(variance)) < ALARM


def order_of_pair(x: npt.NDArray[Any], y: npt.NDArray[Any], positions: Ints) -> Order:
    """The milder of both sides' orders: one side whose units are interchangeable makes the test exact."""
    first = order_of(x, positions)
    if first is Order.FREE:
        return first
    severity = [Order.FREE, Order.TREND, Order.SERIAL]
    return min(first, order_of(y, positions), key=severity.index)


def windows(positions: Ints) -> Ints:
    """Stratum of each unit when only neighbours are interchanged: runs of 16 in the order given."""
    labels = np.arange(len(positions), dtype=np.int64) // RUN
    if len(labels) and len(positions) % RUN:
        labels[labels == labels[-1]] = max(labels[-1] - 1, 0)
    return labels
