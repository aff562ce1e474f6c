"""Features of all units of an axis, read from the side on which that costs least."""

from __future__ import annotations

from math import prod

import numpy as np

from fingerprints.alignment.axis_map import Floats32
from fingerprints.anatomy import Part
from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CheckpointError
from fingerprints.sampling import Ints
from fingerprints.values import widened

WHOLE = 1 << 28
"""Bytes of a tensor up to which all of its rows are read."""


def unit_features(
    part: Part, axis: int, inner: Ints, checkpoint: Checkpoint, *, units: Ints | None = None
) -> Floats32 | None:
    """One row a unit: its entries at positions `inner` of the matrix' other axis.

    Parameters
    ----------
    part : Part
        A matrix.
    axis : int
        The axis whose units are described.
    inner : ndarray of int64, shape (k,)
        Distinct positions along the other one, in any order.
    checkpoint : Checkpoint
        Where it is read: k rows for units along axis 1, rows of their own for units along axis 0.
    units : ndarray of int64, optional
        Distinct units, in any order; None for all.

    Returns
    -------
    ndarray of float32, shape (units, k), or None
        None where it cannot be read, is not finite, or would cost too much.
    """
    if len(part.shape) != 2 or not len(inner):
        return None
    try:
        if axis == 1:
            values = _rows(part, inner, checkpoint)
            values = np.ascontiguousarray((values if units is None else values[:, units]).T)
        elif units is not None:
            values = np.ascontiguousarray(_rows(part, units, checkpoint)[:, inner])
        elif prod(part.shape) * 2 <= WHOLE:
            values = np.ascontiguousarray(widened(checkpoint.rows(part.name, 0, part.shape[0]))[:, inner])
        else:
            return None
    except CheckpointError:
        return None
    return values if np.isfinite(values).all() else None


def _rows(part: Part, rows: Ints, checkpoint: Checkpoint) -> Floats32:
    """Distinct rows in any order."""
    order = np.argsort(rows)
    values = np.empty((len(rows), part.shape[1]), np.float32)
    values[order] = widened(checkpoint.take(part.name, rows[order]))
    return values


def scaled_rows(values: Floats32) -> Floats32:
    """Rows of length one, zero rows left as they are."""
    norms = np.sqrt(np.einsum("ij,ij->i", values, values, dtype=np.float64)).astype(np.float32)[:, None]
    scaled: Floats32 = np.divide(values, norms, out=np.zeros_like(values), where=norms > 0)
    return scaled
