"""What the rows of a matrix span, told without their order, signs, sizes, or the basis inside a block of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]


def span_sketch(rows: Floats32, directions: Floats32, block: int) -> Floats:
    """The mean of the projectors onto the spans of blocks of rows, seen along a few directions.

    Parameters
    ----------
    rows : ndarray of float32, shape (n, d)
        With `n` a multiple of `block`.
    directions : ndarray of float32, shape (d, k)
        Orthonormal columns.
    block : int
        Rows that belong together: the length of a head, 1 for neurons.

    Returns
    -------
    ndarray of float64, shape (k * (k + 1) / 2,)
        Of length one (zero if `rows` are), without what rows of all directions alike would give. Entries off the
        diagonal count twice, so that products of sketches are those of the symmetric matrices.
    """
    spans = _orthonormal(rows, block)
    seen = (spans @ directions).astype(np.float64)
    matrix = seen.T @ seen
    matrix -= np.eye(len(matrix)) * (np.square(spans, dtype=np.float64).sum() / rows.shape[1])
    upper = np.triu_indices(len(matrix))
    sketch = matrix[upper] * np.where(upper[0] == upper[1], 1.0, np.sqrt(2.0))
    length = float(np.linalg.norm(sketch))
    return np.asarray(sketch / length if length > 0 else sketch)


def _orthonormal(rows: Floats32, block: int) -> Floats32:
    """An orthonormal basis of each block's span, block beside block; shape (n, d)."""
    if block == 1:
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        unit: Floats32 = np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)
        return unit
    blocks = rows.reshape(-1, block, rows.shape[1])
    bases = np.linalg.qr(blocks.transpose(0, 2, 1))[0].transpose(0, 2, 1)
    alive = np.abs(blocks).reshape(len(blocks), -1).max(axis=1) > 0
    return np.ascontiguousarray((bases * alive[:, None, None]).reshape(rows.shape))


def weighted_moments(matrices: Callable[[], Iterable[Floats32]], count: int) -> list[npt.NDArray[Any]]:
    """Second moments of unit rows, each weighted by what the moment before says of a row.

    The first counts all rows alike. Its quadratic form at a row is a number that no rotation changes, and so is that of
    the next: the moments are those of a bag of rows, whatever their order and signs.

    Parameters
    ----------
    matrices : callable
        Gives the matrices, shapes (n_i, d), once more each time.
    count : int
        How many moments.

    Returns
    -------
    list of ndarray of float64, shape (d, d)
        Fewer where there is no row.
    """
    found: list[Floats] = []
    for _ in range(count):
        total: Floats | None = None
        for matrix in matrices():
            unit = _orthonormal(matrix, 1)
            weights = np.ones(len(unit)) if not found else _forms(unit, found[-1])
            moment = (unit.T @ (unit * weights[:, None].astype(np.float32))).astype(np.float64)
            total = moment if total is None else total + moment
        if total is None or not np.trace(total) > 0:
            break
        found.append(total * (len(total) / np.trace(total)))
    return found


def _forms(unit: Floats32, moment: Floats) -> Floats:
    """Squared quadratic forms, so that rows along strong directions count more."""
    forms: Floats = np.einsum("ij,ij->i", unit @ moment.astype(np.float32), unit, dtype=np.float64)
    return np.square(forms)
