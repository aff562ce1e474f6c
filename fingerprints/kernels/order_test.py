"""Does a search that never looked at the numbers of units bring them out in order?

Null hypothesis: the units of one side may be relabelled, which shuffles the found sequence uniformly. Then for every
choice of k of m places the chance that they ascend is 1/k!, so the longest ascending subsequence L obeys
`P(L >= k) <= C(m, k) / k!` (union bound; J. M. Hammersley, "A few seedlings of research", 1972), for every matching.
"""

from __future__ import annotations

import math
from bisect import bisect_left

import numpy as np
import numpy.typing as npt

from fingerprints.kernels.probability import LOG10

Ints = npt.NDArray[np.int64]


def longest_ascent(sequence: Ints) -> int:
    """Length of the longest strictly ascending subsequence."""
    ends: list[int] = []
    for value in sequence.tolist():
        place = bisect_left(ends, value)
        if place == len(ends):
            ends.append(value)
        else:
            ends[place] = value
    return len(ends)


def log10_p_ascent(length: int, units: int) -> float:
    """log10 of the bound on `P(L >= length)` among `units` distinct, uniformly shuffled numbers; at most 0."""
    if length <= 0 or units <= 0:
        return 0.0
    log_choices = math.lgamma(units + 1) - math.lgamma(length + 1) - math.lgamma(units - length + 1)
    return min(0.0, (log_choices - math.lgamma(length + 1)) / LOG10)
