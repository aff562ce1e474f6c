"""The orthogonal matrix that takes one model's residual stream to another's, from rows or from second moments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprints.kernels.matching import mutual_matches

Floats32 = npt.NDArray[np.float32]

WIDE = 1024
"""Dimensions from which a decomposition takes seconds."""
SNAP = 0.8
"""An entry of this size says which dimension a dimension is."""
SNAPPED = 0.98
"""Share of dimensions for which some entry does, so that the matrix is taken for a permutation."""


def procrustes(x: Floats32, y: Floats32) -> Floats32:
    """The orthogonal `q` that minimises `|x q - y|`, for matched rows of shape (n, d).

    P. H. Schonemann, "A generalized solution of the orthogonal Procrustes problem", Psychometrika 31, 1966.
    """
    product = x.T @ y
    if len(product) > WIDE:
        import torch  # deferred: its decomposition is twice as fast, which counts for wide matrices alone

        u, _, v = (each.numpy() for each in torch.linalg.svd(torch.from_numpy(product)))
    else:
        u, _, v = np.linalg.svd(product, full_matrices=False)
    return np.asarray(u @ v, dtype=np.float32)


def from_moments(moments: Sequence[tuple[npt.NDArray[Any], npt.NDArray[Any]]]) -> Floats32 | None:
    """The orthogonal `q` with `q.T M q = N` for every pair of symmetric matrices, as far as their spectra tell.

    The eigenvectors of a sum of the matrices give `q` up to signs; the signs are those under which the matrices agree
    in these bases. No row needs to be matched: a second moment does not depend on the order of what it sums over.

    Parameters
    ----------
    moments : sequence of pairs of ndarray, shapes (d, d)
        The same second moments of both models.

    Returns
    -------
    ndarray of float32, shape (d, d), or None
        None without any pair, or where the decomposition fails.
    """
    scaled = [
        (m / max(float(np.trace(m)), 1e-30), n / max(float(np.trace(n)), 1e-30)) for m, n in moments if np.trace(m) > 0
    ]
    if not scaled:
        return None
    weights = 1.0 / np.sqrt(np.arange(1, len(scaled) + 1))
    try:
        _, u = np.linalg.eigh(sum(w * m for w, (m, _) in zip(weights, scaled, strict=True)))
        _, v = np.linalg.eigh(sum(w * n for w, (_, n) in zip(weights, scaled, strict=True)))
    except np.linalg.LinAlgError:
        return None
    agreement = np.zeros_like(u)
    for m, n in scaled:
        agreement += _scaled(u.T @ m @ u) * _scaled(v.T @ n @ v)
    _, vectors = np.linalg.eigh(agreement)
    signs = np.where(vectors[:, -1] >= 0, 1.0, -1.0)
    return np.asarray((u * signs) @ v.T, dtype=np.float32)


def _scaled(m: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Entries off the diagonal, each over the root of its row's and column's: small dimensions count as large ones."""
    off = m - np.diag(np.diag(m))
    roots = np.sqrt(np.maximum(np.abs(np.diag(m)), 1e-30))
    return np.asarray(off / np.outer(roots, roots))


def refined(q: Floats32, x: Floats32, y: Floats32, rounds: int | None = None) -> tuple[Floats32, float]:
    """Match rows under `q`, solve for `q` from the matches, and again, until the matches stay.

    Parameters
    ----------
    q : ndarray, shape (d, d)
        A first guess, up to its sign.
    x, y : ndarray of float32, shapes (m, d) and (n, d)
        Unit rows that have counterparts among one another, in any order.
    rounds : int, optional
        At most so many: 8, and 2 for wide matrices.

    Returns
    -------
    q : ndarray, shape (d, d)
    share : float
        Share of the rows of the smaller side that are matched in the end.
    """
    before: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]] | None = None
    share = 0.0
    c = (x @ q) @ y.T
    if len(mutual_matches(-c)[0]) > len(mutual_matches(c)[0]):
        q = -q
    for _ in range(rounds or (2 if len(q) > WIDE else 8)):
        rows, columns = mutual_matches((x @ q) @ y.T)
        share = len(rows) / max(1, min(len(x), len(y)))
        if len(rows) < 8:
            break
        if before is not None and np.array_equal(before[0], rows) and np.array_equal(before[1], columns):
            break
        before = rows, columns
        q = procrustes(x[rows], y[columns])
    return q, share


def as_permutation(q: Floats32) -> tuple[npt.NDArray[np.int64], Floats32] | None:
    """For an orthogonal matrix that is a signed permutation but for noise: for each row its column, and the sign."""
    columns = np.abs(q).argmax(axis=1)
    largest = q[np.arange(len(q)), columns]
    if len(np.unique(columns)) < len(columns) or float(np.mean(np.abs(largest) >= SNAP)) < SNAPPED:
        return None
    return columns.astype(np.int64), np.sign(largest).astype(np.float32)


def is_hadamard(q: Floats32) -> bool:
    """Whether all entries have one size, as those of a (randomised) Hadamard matrix do."""
    return bool(np.abs(np.abs(q) * np.sqrt(len(q)) - 1.0).max() < 0.25)
