"""Sums of some of k vectors: which ones each element is the sum of, and with which factors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

ROUNDS = 12
CLOSE = 3.5
"""Standard deviations of the noise within which an element is explained."""
APART = 12.0
"""Standard deviations by which all sums of an element must differ for it to tell which one it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subsets:
    """A fitted sum of subsets.

    Attributes
    ----------
    factors : ndarray, shape (k,)
        Of each vector where it takes part; proportions, when `shared`.
    scale : float
        What shared sums are multiplied with; 1 otherwise.
    shared : bool
        Whether the factors of those that take part are divided by their sum.
    states : ndarray of bool, shape (k, n)
        Which vectors each element is the sum of.
    clear : ndarray of bool, shape (n,)
        Elements that could tell.
    explained : float
        Share of the clear ones that lie close to their sum.
    """

    factors: Floats
    scale: float
    shared: bool
    states: Flags
    clear: Flags
    explained: float


def all_states(count: int) -> Flags:
    """All subsets of `count` vectors, shape (2**count, count)."""
    numbers = np.arange(1 << count)
    return np.asarray((numbers[:, None] >> np.arange(count)) & 1, dtype=np.bool_)


def sums(vectors: Floats, states: Flags, factors: Floats, scale: float, *, shared: bool) -> Floats:
    """The sum of each subset, shape (states, n)."""
    mixed = np.where(states, factors, 0.0)
    if shared:
        whole = mixed.sum(axis=1, keepdims=True)
        mixed = scale * np.divide(mixed, whole, out=np.zeros_like(mixed), where=np.abs(whole) > 1e-12)
    return np.asarray(mixed @ vectors)


def fit_subsets(
    target: Floats, vectors: Floats, spread: Floats, factors: Floats, scale: float, *, shared: bool
) -> Subsets:
    """Factors for which each element of a target is the sum of a subset of vectors; which subset is found on the way.

    Parameters
    ----------
    target : ndarray, shape (n,)
    vectors : ndarray, shape (k, n)
    spread : ndarray, shape (n,)
        Standard deviation of each element's noise.
    factors, scale
        Where to start.
    shared : bool
        See `Subsets`.

    Notes
    -----
    Alternates between the nearest sum and least squares, as k-means does; what lies far from every sum of its own is
    left out of the squares once half of the rounds are done. Shared proportions take one Gauss-Newton step a round.
    """
    states = all_states(len(vectors))
    for turn in range(ROUNDS):
        chosen, error, clear = _nearest(target, vectors, spread, states, factors, scale, shared=shared)
        used = clear & (error <= CLOSE) if turn >= ROUNDS // 2 else clear
        if np.count_nonzero(used) < 4 * len(vectors):
            break
        factors, scale = _refit(
            target[used] / spread[used], vectors[:, used] / spread[used], chosen[:, used], factors, scale, shared=shared
        )
    chosen, error, clear = _nearest(target, vectors, spread, states, factors, scale, shared=shared)
    told = int(np.count_nonzero(clear))
    explained = float(np.count_nonzero(error[clear] <= CLOSE)) / told if told else 0.0
    return Subsets(factors=factors, scale=scale, shared=shared, states=chosen, clear=clear, explained=explained)


def _nearest(
    target: Floats, vectors: Floats, spread: Floats, states: Flags, factors: Floats, scale: float, *, shared: bool
) -> tuple[Flags, Floats, Flags]:
    """The subset whose sum is nearest, how far it is in standard deviations, and whether the sums are apart."""
    found = sums(vectors, states, factors, scale, shared=shared)
    ordered = np.sort(found, axis=0)
    clear = np.diff(ordered, axis=0).min(axis=0) >= APART * spread
    distance = np.abs(found - target)
    best = distance.argmin(axis=0)
    return states[best].T, distance[best, np.arange(len(target))] / spread, clear


def _refit(
    target: Floats, vectors: Floats, states: Flags, factors: Floats, scale: float, *, shared: bool
) -> tuple[Floats, float]:
    on = np.where(states, vectors, 0.0)
    if not shared:
        return np.linalg.pinv(on @ on.T, hermitian=True) @ (on @ target), 1.0
    whole = factors @ states
    some = np.abs(whole) > 1e-12
    on, whole, target, states = on[:, some], whole[some], target[some], states[:, some]
    mean = factors @ on / whole
    power = float(mean @ mean)
    scale = float(mean @ target) / power if power > 0 else scale
    slope = scale * np.where(states, on - mean, 0.0) / whole
    # Proportions are free up to a common factor: the step keeps their sum.
    step = np.linalg.pinv(slope @ slope.T, rcond=1e-9, hermitian=True) @ (slope @ (target - scale * mean))
    moved = factors + step
    total = float(moved.sum())
    return (moved / total if abs(total) > 1e-9 else factors), scale
