"""From statistics to p-values, as log10 so that nothing underflows.

Two bounds carry the verdicts. For hits, `P(F >= k) <= L^k / k!` over L blocks holds for every matrix. For the
statistic T, the normal tail is trusted down to 1e-6; beyond it Chatterjee's concentration bound must agree
(S. Chatterjee, "Stein's method for concentration inequalities", Probab. Theory Relat. Fields 138, 2007).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

LOG10 = math.log(10.0)
NORMAL_FLOOR = -6.0
"""log10 of the smallest p-value for which the normal approximation is trusted on its own."""


def log10_two_sided(z: float) -> float:
    """log10 of the two-sided normal tail `P(|Z| >= |z|)`, finite for every finite z."""
    size = abs(z)
    if size < 37.0:
        return min(0.0, math.log10(max(math.erfc(size / math.sqrt(2.0)), 1e-300)))
    return (-size * size / 2.0 - math.log(size * math.sqrt(math.pi / 2.0))) / LOG10


def normal_quantile(log10_p: float) -> float:
    """The z whose two-sided tail is `10 ** log10_p`, for `log10_p` in [-300, 0]."""
    if log10_p >= 0.0:
        return 0.0
    if log10_p > -15.0:
        return -NormalDist().inv_cdf(10.0**log10_p / 2.0)
    low, high = 0.0, 40.0
    for _ in range(80):
        middle = (low + high) / 2.0
        low, high = (middle, high) if log10_two_sided(middle) > log10_p else (low, middle)
    return high


def log10_p_hits(hits: int, blocks: int = 1) -> float:
    """log10 of the bound `P(F >= hits) <= blocks^hits / hits!`, at most 0.

    `hits` counts units whose best match is their own counterpart, over `blocks` independently permuted blocks.
    """
    if hits <= 0:
        return 0.0
    return min(0.0, (hits * math.log(blocks) - math.lgamma(hits + 1)) / LOG10)


def log10_chatterjee(deviation: float, mean: float) -> float:
    """log10 of `2 exp(-t^2 / (4 mu + 2 t))` for a permutation sum of entries in [0, 1], at most 0."""
    if deviation <= 0.0:
        return 0.0
    exponent = deviation * deviation / (4.0 * mean + 2.0 * deviation)
    return min(0.0, (math.log(2.0) - exponent) / LOG10)


def log10_p_statistic(z: float, *, deviation: float, mean: float, log10_floor: float) -> float:
    """log10 of the two-sided p-value of T.

    Parameters
    ----------
    z : float
        The standardised statistic.
    deviation, mean : float
        |T+ - mu+| and mu+ of the clipped matrix max(C, 0), or max(-C, 0) for negative z.
    log10_floor : float
        log10 of one over the number of permutations; nothing below it is claimed.
    """
    normal = log10_two_sided(z)
    if normal < NORMAL_FLOOR:
        normal = min(NORMAL_FLOOR, max(normal, log10_chatterjee(deviation, mean)))
    return max(normal, log10_floor)


def stouffer(zs: Sequence[float]) -> float:
    """Signed combination `sum(z) / sqrt(n)` of independent z-values; 0 for none."""
    return sum(zs) / math.sqrt(len(zs)) if zs else 0.0


def bonferroni(log10_p: float, tests: int) -> float:
    """log10 of a p-value corrected for `tests` hypotheses, at most 0."""
    return min(0.0, log10_p + math.log10(max(tests, 1)))
