"""Medians that verdicts rest on: weighted by what values are of, and what few draws make sure of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

from provenance.result import rounded
from provenance.thresholds import thresholds


def weighted_median(values: Sequence[tuple[float, int]]) -> float | None:
    """Lower weighted median of (value, weight) pairs, rounded as reported; None for none."""
    if not values:
        return None
    total = sum(weight for _, weight in values)
    seen = 0
    for value, weight in sorted(values):
        seen += weight
        if 2 * seen >= total:
            return rounded(value)
    raise AssertionError("weights are positive")


def sure_median(values: Sequence[float]) -> float | None:
    """A bound that the median of what the values were drawn from is above, but for a share of `sure_median`.

    Parameters
    ----------
    values : sequence of float
        Independent draws; nothing is assumed of their distribution.

    Returns
    -------
    float or None
        One of the values; -1 where there are too few of them, None where there is none.
    """
    if not values:
        return None
    chances = accumulate(math.comb(len(values), below) / 2 ** len(values) for below in range(len(values)))
    sure = sum(chance <= thresholds().sure_median for chance in chances)
    return rounded(sorted(values)[sure - 1]) if sure else -1.0
