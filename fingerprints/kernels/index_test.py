"""The index test: does unit i of A look like unit i of B, rather than like unit j?

Null hypothesis: the units of A may be relabelled, inside each stratum, without changing the joint distribution of A
and B; which holds when the two were trained independently and the units were treated alike in at least one of the
runs (S. Zhu et al., "Independence Tests for Language Models", ICML 2025, arXiv 2502.12292). Moments after
W. Hoeffding, "A combinatorial central limit theorem", 1951.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from fingerprints.kernels.probability import LOG10, log10_p_hits, log10_p_statistic, normal_quantile

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FEWEST_UNITS = 8
"""Fewer units than this are not tested."""
NORMAL_UNITS = 30
"""From so many units on, T is treated as normal; below, permutations are drawn."""
DRAWS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexStatistics:
    """What the index test saw.

    Attributes
    ----------
    units, blocks : int
        Units that took part; independently permuted blocks they lie in.
    z : float
        Standardised `T = sum C_ii`.
    upper, lower : tuple of two floats
        (T - mu, mu) of max(C, 0) and of max(-C, 0), for the concentration bound.
    sigma : float
        Standard deviation of T under the null.
    hits : int
        Units whose best match in their stratum is their own counterpart.
    effect : float
        Median C_ii.
    log10_floor : float
        log10 of one over the number of permutations.
    log10_p_drawn : float or None
        log10 p of T by drawn permutations, where there are too few units for the normal tail.
    """

    units: int
    blocks: int
    z: float
    upper: tuple[float, float]
    lower: tuple[float, float]
    sigma: float
    hits: int
    effect: float
    log10_floor: float
    log10_p_drawn: float | None = None

    @property
    def log10_p_statistic(self) -> float:
        """log10 of T's two-sided p-value, uncorrected."""
        if self.log10_p_drawn is not None:
            return self.log10_p_drawn
        deviation, mean = self.upper if self.z >= 0 else self.lower
        return log10_p_statistic(self.z, deviation=deviation, mean=mean, log10_floor=self.log10_floor)

    @property
    def log10_p_hits(self) -> float:
        """log10 of the bound on F's p-value, uncorrected."""
        return log10_p_hits(self.hits, self.blocks)

    def min_detectable(self, log10_alpha: float) -> float:
        """Smallest mean matched cosine whose T would fall below `10 ** log10_alpha`: z_alpha * sigma / units."""
        return normal_quantile(log10_alpha) * self.sigma / max(self.units, 1)


def _drawn_log10_p(blocks: Sequence[Floats], observed: float, seed: int) -> float:
    """Two-sided p of T by seeded permutations inside each block."""
    total = np.zeros(DRAWS)
    for c, places in zip(blocks, _drawn_places(tuple(map(len, blocks)), seed, DRAWS), strict=True):
        total += c.reshape(-1).take(places).sum(axis=1) - c.mean(axis=1).sum()
    extreme = int(np.count_nonzero(np.abs(total) >= abs(observed) * (1.0 - 1e-12)))
    return math.log10((1 + extreme) / (1 + DRAWS))


@lru_cache(maxsize=8)
def _drawn_places(sizes: tuple[int, ...], seed: int, draws: int) -> tuple[Ints, ...]:
    """For blocks of these sizes, flat places of the entries that drawn permutations pair; the same for every test."""
    rng = np.random.Generator(np.random.PCG64(seed))
    return tuple(np.arange(m) * m + rng.random((draws, m)).argsort(axis=1) for m in sizes)


def index_statistics(c: Floats, strata: Ints | None = None, *, seed: int = 0) -> IndexStatistics | None:
    """Test the index of a square similarity matrix.

    Parameters
    ----------
    c : ndarray of float64, shape (m, m)
        Similarities of unit i of A to unit j of B, in [-1, 1].
    strata : ndarray of int, shape (m,), optional
        Units are only permuted within equal values; all together by default. Strata of one unit are left out.
    seed : int
        For the permutations that are drawn when there are fewer than 30 units.

    Returns
    -------
    IndexStatistics or None
        None when fewer than 8 units are left.
    """
    if strata is None:
        parts = [c]
    else:
        labels = np.unique(strata)
        parts = [c[np.ix_(strata == label, strata == label)] for label in labels]
        parts = [part for part in parts if len(part) > 1]
    units = sum(len(part) for part in parts)
    if units < FEWEST_UNITS:
        return None
    excess = variance = floor = 0.0
    clipped = {1: [0.0, 0.0], -1: [0.0, 0.0]}
    hits = 0
    diagonals = []
    for part in parts:
        m = len(part)
        diagonal = np.diagonal(part)
        diagonals.append(diagonal)
        columns, rows = part.mean(axis=0), part.mean(axis=1)
        mean = float(rows.mean())
        excess += float(diagonal.sum()) - mean * m
        centred = part - columns
        centred -= (rows - mean)[:, None]
        flat = centred.ravel()
        variance += float(flat @ flat) / (m - 1)
        above = float(np.maximum(part, 0.0).sum())
        for sign, total in ((1, above), (-1, above - mean * m * m)):
            clipped[sign][0] += float(np.maximum(sign * diagonal, 0.0).sum()) - total / m
            clipped[sign][1] += total / m
        hits += int(np.count_nonzero(part.argmax(axis=1) == np.arange(m)))
        floor -= math.lgamma(m + 1) / LOG10
    sigma = math.sqrt(variance)
    if sigma <= 1e-12 * units:
        return None
    z = excess / sigma
    return IndexStatistics(
        units=units,
        blocks=len(parts),
        z=z,
        upper=(clipped[1][0], clipped[1][1]),
        lower=(clipped[-1][0], clipped[-1][1]),
        sigma=sigma,
        hits=hits,
        effect=float(np.median(np.concatenate(diagonals))),
        log10_floor=floor,
        log10_p_drawn=_drawn_log10_p(parts, excess, seed) if units < NORMAL_UNITS else None,
    )


def pooled(tests: Sequence[IndexStatistics]) -> IndexStatistics:
    """One statistic for several independently permuted groups: T, mu, sigma^2 and F add up.

    Raises
    ------
    ValueError
        For no tests.
    """
    if not tests:
        raise ValueError("nothing to pool")
    sigma = math.sqrt(sum(test.sigma**2 for test in tests))
    return IndexStatistics(
        units=sum(test.units for test in tests),
        blocks=sum(test.blocks for test in tests),
        z=sum(test.z * test.sigma for test in tests) / sigma,
        upper=(sum(test.upper[0] for test in tests), sum(test.upper[1] for test in tests)),
        lower=(sum(test.lower[0] for test in tests), sum(test.lower[1] for test in tests)),
        sigma=sigma,
        hits=sum(test.hits for test in tests),
        effect=float(np.median([test.effect for test in tests])),
        log10_floor=sum(test.log10_floor for test in tests),
    )
