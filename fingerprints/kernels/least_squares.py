"""Weighted sums that explain a vector: normal equations, weights with a fixed sum, and how sure they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

RELATIVE_CUTOFF = 1e-13
"""Directions with less energy than this, of the largest, are no directions in float64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Weights with their standard errors, both of shape (k,), and the degrees of freedom behind these."""

    weights: Floats
    errors: Floats
    freedom: int

    def halves(self, level: float = 0.95) -> Floats:
        """Half widths of the two-sided intervals at this level, shape (k,)."""
        return student_quantile(0.5 + level / 2, self.freedom) * self.errors


def cross_products(columns: npt.NDArray[Any], blocks: npt.NDArray[np.integer[Any]], count: int) -> Floats:
    """Products of all pairs of columns, summed inside each block.

    Parameters
    ----------
    columns : ndarray, shape (c, n)
    blocks : ndarray of integers, shape (n,)
        The block of each element, ascending.
    count : int
        Number of blocks.

    Returns
    -------
    ndarray of float64, shape (count, c, c)
    """
    edges = np.searchsorted(blocks, np.arange(count + 1))
    found = np.zeros((count, len(columns), len(columns)))
    for place in range(count):
        part = columns[:, edges[place] : edges[place + 1]].astype(np.float64)
        found[place] = part @ part.T
    return found


def directions(count: int, *, fixed_sum: bool, without: Floats | None = None) -> Floats:
    """Orthonormal directions in which weights may move.

    Parameters
    ----------
    count : int
        Number of weights k.
    fixed_sum : bool
        Whether their sum must stay.
    without : ndarray, shape (k, q), optional
        Directions about which the data say nothing.

    Returns
    -------
    ndarray of float64, shape (k, m)
    """
    barred = [np.ones((count, 1))] if fixed_sum else []
    if without is not None and without.size:
        barred.append(without)
    if not barred:
        return np.eye(count)
    left, values, _ = np.linalg.svd(np.hstack(barred))
    rank = int(np.count_nonzero(values > 1e-9 * values.max(initial=0.0)))
    return np.asarray(left[:, rank:])


def solve(products: Floats, targets: Floats, free: Floats, start: Floats) -> Floats:
    """Least squares `start + free @ z`, the shortest step where several are equally good.

    Parameters
    ----------
    products : ndarray, shape (k, k)
        Inner products of the regressors.
    targets : ndarray, shape (k,)
        Their inner products with what they are to explain.
    free : ndarray, shape (k, m)
        Directions in which the solution may differ from `start`, shape (k,).
    """
    if not free.shape[1]:
        return start.copy()
    inner = free.T @ products @ free
    return start + free @ (
        np.linalg.pinv(inner, rcond=RELATIVE_CUTOFF, hermitian=True) @ free.T @ (targets - products @ start)
    )


def estimate(products: Floats, targets: Floats, noise: Floats, free: Floats, start: Floats) -> Estimate:
    """Weights from all clusters, with standard errors that hold when clusters disagree.

    The errors are the larger of two: the sandwich (clusters as they are), and what independent noise of the given
    variance leaves at least.

    Parameters
    ----------
    products : ndarray, shape (t, k, k)
        Inner products of the regressors in each cluster.
    targets : ndarray, shape (t, k)
        Their inner products with the target.
    noise : ndarray, shape (t,)
        Variance of an element's noise in each cluster.
    free, start
        As in `solve`.

    Notes
    -----
    Cluster-robust covariance with the factor t / (t - 1): K.-Y. Liang and S. Zeger, Biometrika 73 (1986).
    """
    count = len(products)
    weights = solve(products.sum(axis=0), targets.sum(axis=0), free, start)
    freedom = max(count - max(free.shape[1], 1), 1)
    if not free.shape[1]:
        return Estimate(weights=weights, errors=np.zeros(len(start)), freedom=freedom)
    inverse = np.linalg.pinv(free.T @ products.sum(axis=0) @ free, rcond=RELATIVE_CUTOFF, hermitian=True)
    influence = (targets - products @ weights) @ free
    factor = count / (count - 1) if count > 1 else 1.0
    bread = free @ inverse
    robust = bread @ (factor * influence.T @ influence) @ bread.T
    least = bread @ (free.T @ np.einsum("t,tij->ij", noise, products) @ free) @ bread.T
    variance = np.maximum(np.diag(robust), np.diag(least))
    return Estimate(weights=weights, errors=np.sqrt(np.maximum(variance, 0.0)), freedom=freedom)


def indistinct(products: Floats, noise: Floats, free: Floats, limit: float) -> Floats:
    """Directions along which weights may move without more effect than noise in the regressors has.

    Parameters
    ----------
    products : ndarray, shape (k, k)
        Inner products of the regressors.
    noise : ndarray, shape (k,)
        Energy of the noise in each regressor.
    free : ndarray, shape (k, m)
        The directions that are considered.
    limit : float
        Energies up to this multiple of the noise count as none.

    Returns
    -------
    ndarray of float64, shape (k, q)
        Unit vectors.
    """
    if not free.shape[1]:
        return np.zeros((len(noise), 0))
    scale = np.sqrt(np.maximum(noise, np.finfo(np.float64).tiny))
    whitened = np.linalg.qr(scale[:, None] * free)[0]
    inner = (products / scale / scale[:, None]).T
    powers, vectors = np.linalg.eigh(whitened.T @ inner @ whitened)
    found = (whitened @ vectors[:, powers <= limit]) / scale[:, None]
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=0), np.finfo(np.float64).tiny))


def student_quantile(probability: float, freedom: int) -> float:
    """Quantile of Student's t, to 1 % from 3 degrees of freedom on (Fisher and Cornish's expansion); wide below."""
    z = NormalDist().inv_cdf(probability)
    if freedom < 3:
        return {1: math.tan(math.pi * (probability - 0.5)), 2: _two_degrees(probability)}[max(freedom, 1)]
    terms = (
        z,
        (z**3 + z) / (4 * freedom),
        (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2),
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3),
    )
    return sum(terms)


def _two_degrees(probability: float) -> float:
    centred = 2 * probability - 1
    return centred * math.sqrt(2 / (1 - centred * centred))
