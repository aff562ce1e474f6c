"""Rows of any length as 64 small integers whose angles are about those of the rows.

Every row is multiplied by one matrix of signs that depends on its length alone. Relabelling the rows of one model
relabels their projections alike, so that a permutation test of projections is as exact as one of rows; it only sees
cosines with an error of 1/8.

Reference: D. Achlioptas, Database-friendly random projections, JCSS 66 (2003).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprints.sampling import mixed

WIDTH = 64
LEVELS = 127
Signs = npt.NDArray[np.int8]


def signs(length: int) -> Signs:
    """The matrix of signs, shape (length, 64): the bits of a fixed hash of each row number.

    Parameters
    ----------
    length : int
        Features of a row.
    """
    bits = mixed(np.arange(length, dtype=np.int64))[:, None] >> np.arange(WIDTH, dtype=np.uint64)
    return np.where(bits & np.uint64(1), 1, -1).astype(np.int8)


def project(rows: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Project rows and scale each to the range of a byte.

    Parameters
    ----------
    rows : ndarray, shape (m, k)
        Features; rows that hold values that are not finite become zero.

    Returns
    -------
    values : ndarray of int8, shape (m, min(k, 64))
        Directions: rows of up to 64 features are not projected.
    norms : ndarray of float32, shape (m,)
        Lengths of the rows before the projection.
    """
    wide = np.asarray(rows, dtype=np.float64)
    wide = np.where(np.isfinite(wide).all(axis=1, keepdims=True), wide, 0.0)
    norms = np.sqrt(np.einsum("ij,ij->i", wide, wide))
    if wide.shape[1] > WIDTH:
        wide = wide @ signs(wide.shape[1]).astype(np.float64)
    peak = np.abs(wide).max(axis=1, initial=0.0)
    scaled = np.divide(wide * LEVELS, peak[:, None], out=np.zeros_like(wide), where=peak[:, None] > 0)
    return np.rint(scaled).astype(np.int8), norms.astype(np.float32)
