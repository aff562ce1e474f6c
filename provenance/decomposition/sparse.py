"""Merges that drop elements of what parents changed in a base: TIES by size, DARE at random.

P. Yadav et al., TIES-Merging, NeurIPS 2023 (arXiv 2306.01708); L. Yu et al., Language models are Super Mario (DARE),
ICML 2024 (arXiv 2311.03099). Each element of M - base is the sum of some parents' changes with factors that do not
depend on the element, so that the factors, and which parents take part where, are found together; how they were chosen
(the largest, or at random; only those of the prevailing sign, or all) tells the method.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from fingerprints.kernels.masks import conflicts_kept, larger, threshold
from fingerprints.kernels.subsets import Subsets, fit_subsets
from provenance.decomposition.pool import Pool, pooled_elements
from provenance.decomposition.samples import Sample
from provenance.thresholds import thresholds

Floats = npt.NDArray[np.float64]

MOST_PARENTS = 4
FIRST_LOOK = 6_000
DENSITIES = (0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
SCALES = (1.0, 2.0, 4.0)
FEWEST_CLEAR = 500
SCATTERS = (0.0, 1.0)
"""Tried in turn: room for what tensors kept by chance hides changes that are small beside another parent's."""
NEARLY_ALL = 0.97
LARGEST_KEPT = 0.9
"""Probability that a kept element is larger than a dropped one, from which on size decided."""
CONFLICTS_KEPT = 0.05
"""Share of contradicting pairs of changes that may both be kept where signs were elected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sparse:
    """A merge that drops elements.

    Attributes
    ----------
    name : str
        What mergekit calls it.
    weights, halves : ndarray, shape (k,)
        Weights, and half widths of their 95 % intervals.
    densities : ndarray, shape (k,)
        Share of each parent's changes that was kept.
    normalised : bool
        Whether weights are divided by the sum of those that take part; only their proportions are then known.
    scale : float
        Of the whole change (mergekit's lambda).
    explained : float
        Share of the elements that can tell which lie within rounding of a sum.
    left : float
        Share of the energy of M - base that is left.
    fitted : Subsets
        The fit that this was read from.
    scatter : float
        See `pooled_elements`.
    """

    name: str
    weights: Floats
    halves: Floats
    densities: Floats
    normalised: bool
    scale: float
    explained: float
    left: float
    fitted: Subsets
    scatter: float


def find_sparse(samples: Sequence[Sample], weights: Floats) -> Sparse | None:
    """The sparse merge that a model is.

    Parameters
    ----------
    samples : sequence of Sample
        With a base as origin.
    weights : ndarray, shape (k,)
        Of the best dense combination, from which the search starts.

    Returns
    -------
    Sparse or None
        None where elements are no such sums, or the changes are too small for the model's type to tell.
    """
    if not 1 < len(weights) <= MOST_PARENTS:
        return None
    tries = (_sparse_at(samples, weights, scatter) for scatter in SCATTERS)
    return next((found for found in tries if found is not None), None)


def _sparse_at(samples: Sequence[Sample], weights: Floats, scatter: float) -> Sparse | None:
    pool = pooled_elements(samples, scatter)
    first = pool.thinned(FIRST_LOOK)
    starts = list(_starts(weights))
    looks = [_fitted(first, factors, scale, shared=shared) for factors, scale, shared in starts]
    promising = sorted(range(len(looks)), key=lambda place: (-_merit(looks[place]), place))[:3]
    found = [_fitted(pool, looks[at].factors, looks[at].scale, shared=looks[at].shared) for at in promising]
    best = max(found, key=_merit)
    if best.explained < thresholds().merge_explained_values or np.count_nonzero(best.clear) < FEWEST_CLEAR:
        return None
    described = _described(best, pool, coarseness(samples), scatter)
    dropping = described.name in ("ties", "dare_ties") or described.densities.min() < NEARLY_ALL
    return described if dropping else None


def sparse_in(samples: Sequence[Sample], found: Sparse) -> Sparse | None:
    """The same merge in some tensors alone, from the factors of the whole; None where too few elements can tell."""
    pool = pooled_elements(samples, found.scatter)
    again = _fitted(pool, found.fitted.factors, found.fitted.scale, shared=found.normalised)
    if again.explained < thresholds().merge_explained_values or np.count_nonzero(again.clear) < FEWEST_CLEAR // 5:
        return None
    return _described(again, pool, coarseness(samples), found.scatter)


def _merit(found: Subsets) -> float:
    """What is explained, of elements that can tell; factors near zero make all sums alike and tell nothing."""
    return found.explained * min(1.0, float(np.count_nonzero(found.clear)) / (0.02 * len(found.clear) + 1))


def _starts(weights: Floats) -> Iterator[tuple[Floats, float, bool]]:
    """Factors as densities would make them of the dense weights, and proportions with some scales."""
    count = len(weights)
    mixed = product(DENSITIES, repeat=count) if count <= 2 else ((density,) * count for density in DENSITIES)
    for densities in mixed:
        yield weights / np.array(densities), 1.0, False
    positive = np.maximum(weights, 0.05)
    for scale in SCALES:
        yield positive / positive.sum(), scale, True
        yield np.full(count, 1 / count), scale, True


def _fitted(pool: Pool, factors: Floats, scale: float, *, shared: bool) -> Subsets:
    return fit_subsets(pool.target, pool.vectors, pool.spread, factors, scale, shared=shared)


def coarseness(samples: Sequence[Sample]) -> float:
    """Relative error of a weight in a tool that computes in the model's type."""
    types = {sample.dtype for sample in samples}
    return 2.0**-8 if "BF16" in types else 2.0**-11 if "F16" in types else 0.0


def _described(found: Subsets, pool: Pool, inexact: float, scatter: float) -> Sparse:
    """Name, densities and weights from which elements were kept."""
    count = len(found.factors)
    clear = found.clear
    signs = np.sign(pool.vectors * found.factors[:, None])
    elected = conflicts_kept(found.states[:, clear], signs[:, clear]) <= CONFLICTS_KEPT
    agreed = clear & (np.abs(signs.sum(axis=0)) == count)
    pairs = [(pool.ranks[place, agreed], found.states[place, agreed]) for place in range(count)]
    by_size = float(np.mean([larger(ranked, kept) for ranked, kept in pairs])) >= LARGEST_KEPT
    if by_size:
        densities = np.array([1 - threshold(ranked, kept) for ranked, kept in pairs])
    else:
        densities = np.array([float(kept.mean()) if len(kept) else 1.0 for _, kept in pairs])
    name = ("ties" if elected else "breadcrumbs") if by_size else "dare_ties" if elected else "dare_linear"
    weights, scale = found.factors.copy(), found.scale
    if not by_size:
        # Kept changes are scaled up by one over their density.
        if found.shared:
            scale *= float(np.average(densities, weights=np.abs(weights)))
        else:
            weights = weights * densities
    return Sparse(
        name=name,
        weights=weights,
        halves=_halves(found, pool, densities, by_size=by_size) + inexact * np.abs(weights),
        densities=densities,
        normalised=found.shared,
        scale=scale,
        explained=found.explained,
        fitted=found,
        scatter=scatter,
        left=_left(found, pool),
    )


def _left(found: Subsets, pool: Pool) -> float:
    whole = float(np.square(pool.target).sum())
    return float(np.square(pool.target - _made(found, pool.vectors)).sum()) / whole if whole > 0 else 0.0


def _made(found: Subsets, vectors: Floats) -> Floats:
    """The sums that were found."""
    mixed = np.where(found.states, found.factors[:, None], 0.0)
    if found.shared:
        whole = mixed.sum(axis=0)
        mixed = found.scale * np.divide(mixed, whole, out=np.zeros_like(mixed), where=np.abs(whole) > 1e-12)
    return np.asarray((mixed * vectors).sum(axis=0))


def _halves(found: Subsets, pool: Pool, densities: Floats, *, by_size: bool) -> Floats:
    """Half widths of 95 % intervals: scatter of the factors over tensors, and of densities over elements."""
    halves = np.zeros(len(densities))
    close = found.clear
    for place, density in enumerate(densities):
        on = close & found.states[place]
        if not found.shared:
            halves[place] = _scatter(found, pool, place, on)
        else:
            both = on & (found.states.sum(axis=0) > 1)
            halves[place] = _scatter(found, pool, place, both)
        if not by_size and not found.shared and 0 < density < 1:
            told = int(np.count_nonzero(close))
            share = np.sqrt(density * (1 - density) / max(told, 1))
            halves[place] = float(np.hypot(halves[place] * density, 1.96 * share * abs(found.factors[place])))
    return halves


def _scatter(found: Subsets, pool: Pool, place: int, used: npt.NDArray[np.bool_]) -> float:
    """1.96 standard errors of one factor, from what remains in each tensor, with the others held."""
    if not used.any():
        return 1.0
    made = _made(found, pool.vectors)
    slope = pool.vectors[place]
    if found.shared:
        whole = found.factors @ found.states
        slope = (found.scale * slope - made) / np.where(np.abs(whole) > 1e-12, whole, 1.0)
    left = pool.target - made
    scores = np.bincount(pool.tensors[used], weights=(slope * left / pool.spread**2)[used])
    powers = float((np.square(slope) / pool.spread**2)[used].sum())
    robust = float(np.sqrt(np.square(scores).sum())) / powers if powers > 0 else 1.0
    least = 1 / np.sqrt(powers) if powers > 0 else 1.0
    return 1.96 * max(robust, float(least))
