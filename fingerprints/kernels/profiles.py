"""Rows recognised by their angles to other rows: no rotation changes those, and sorted ones depend on no order.

For every row the quantiles of its cosines to all rows of each set describe it. Rows of two models that are each other's
nearest in these, all of them whitened, are matched. Noise moves a quantile of many cosines little, which makes this
hold where eigenvectors of second moments have long been mixed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fingerprints.kernels.bases import procrustes

Floats32 = npt.NDArray[np.float32]
QUANTILES = 32
LEAST_VARIANCE = 1e-3
"""Of the largest: directions that vary less are left out."""
FEWEST_ROWS = 8


def from_profiles(x: Sequence[Floats32], y: Sequence[Floats32]) -> Floats32 | None:
    """The orthogonal matrix that takes rows of A to those of B that have the same angles to others.

    Parameters
    ----------
    x, y : sequence of ndarray of float32, shapes (m, d) and (n, d)
        Sets of unit rows that stand for one another, set by set, rows in any order.

    Returns
    -------
    ndarray of float32, shape (d, d), or None
        None where too few rows are each other's nearest.
    """
    ours: list[Floats32] = []
    theirs: list[Floats32] = []
    for one, other in zip(x, y, strict=True):
        if min(len(one), len(other)) < FEWEST_ROWS:
            continue
        rows, columns = _nearest(*_whitened(_profiles(one, x), _profiles(other, y)))
        ours.append(one[rows])
        theirs.append(other[columns])
    if sum(map(len, ours)) < FEWEST_ROWS:
        return None
    return procrustes(np.concatenate(ours), np.concatenate(theirs))


def _profiles(rows: Floats32, sets: Sequence[Floats32]) -> npt.NDArray[np.float64]:
    """Quantiles of each row's cosines to the rows of each set; shape (rows, sets * QUANTILES)."""
    found = []
    for others in sets:
        if len(others) >= FEWEST_ROWS:
            cosines = np.sort(rows @ others.T, axis=1)
            found.append(cosines[:, np.linspace(0, len(others) - 1, QUANTILES).round().astype(np.int64)])
    return np.concatenate(found, axis=1).astype(np.float64)


def _whitened(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Both in the directions in which they vary, each direction with variance one."""
    both = np.concatenate([x, y])
    mean, spread = both.mean(axis=0), np.maximum(both.std(axis=0), 1e-12)
    scaled = (both - mean) / spread
    variances, directions = np.linalg.eigh(scaled.T @ scaled / len(scaled))
    kept = variances > LEAST_VARIANCE * variances[-1]
    turned = scaled @ (directions[:, kept] / np.sqrt(variances[kept]))
    return turned[: len(x)], turned[len(x) :]


def _nearest(
    x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows that are each other's nearest."""
    near = 2.0 * x @ y.T - np.square(x).sum(axis=1)[:, None] - np.square(y).sum(axis=1)[None, :]
    best, back = near.argmax(axis=1), near.argmax(axis=0)
    rows = np.flatnonzero(back[best] == np.arange(len(best)))
    return rows.astype(np.int64), best[rows].astype(np.int64)
