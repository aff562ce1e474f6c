"""Cosines between the units of two models."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SQUARES_FIT = 4
"""Bytes of the largest element whose square neither overflows nor vanishes in float64."""


def unit_rows(features: npt.NDArray[Any]) -> tuple[Floats, Mask]:
    """Scale each row to length one.

    Parameters
    ----------
    features : ndarray, shape (m, k)
        One row a unit, any real dtype.

    Returns
    -------
    rows : ndarray of float64, shape (m, k)
        Unit rows; rows that cannot be scaled are zero.
    valid : ndarray of bool, shape (m,)
        False where the row is zero or holds a non-finite value.
    """
    rows = np.array(features, dtype=np.float64)
    if features.dtype.kind != "f" or features.dtype.itemsize > SQUARES_FIT:
        peak = np.max(np.abs(rows), axis=1, initial=0)
        rows /= np.where(np.isfinite(peak) & (peak > 0), peak, 1.0)[:, None]
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    valid = np.isfinite(norms) & (norms > 0)
    if valid.all():
        rows /= norms[:, None]
    else:
        rows[~valid] = 0.0
        np.divide(rows, norms[:, None], out=rows, where=valid[:, None])
    return rows, valid


def similarity(x: Floats, y: Floats, *, device: str = "cpu") -> Floats:
    """Cosines `C[i, j] = x_i . y_j` of unit rows, accumulated in float64.

    Parameters
    ----------
    x, y : ndarray of float64, shapes (m, k) and (n, k)
        Unit rows, see `unit_rows`.
    device : str
        `cpu`, or a torch device such as `cuda` on which the product is formed.

    Returns
    -------
    ndarray of float64, shape (m, n)
    """
    if device == "cpu":
        return np.asarray(x @ y.T)
    import torch  # deferred: only the accelerator path needs it

    left = torch.from_numpy(x).to(device)
    right = torch.from_numpy(y).to(device)
    return np.asarray((left @ right.T).cpu().numpy())
