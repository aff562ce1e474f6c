"""Which elements a mask keeps: the largest, or any; of contradicting ones one, or both."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def ranks(values: Floats) -> Floats:
    """Share of the values that are smaller, in (0, 1)."""
    found = np.empty(len(values))
    found[np.argsort(values, kind="stable")] = (np.arange(len(values)) + 0.5) / len(values)
    return found


def larger(ranked: Floats, kept: Flags) -> float:
    """Probability that a kept element is larger than a dropped one (Mann and Whitney's); 1 where none was dropped."""
    inside, outside = int(kept.sum()), int((~kept).sum())
    if not inside or not outside:
        return 1.0
    order = np.empty(len(ranked))
    order[np.argsort(ranked, kind="stable")] = np.arange(len(ranked)) + 1
    return float((order[kept].sum() - inside * (inside + 1) / 2) / (inside * outside))


def threshold(ranked: Floats, kept: Flags) -> float:
    """The rank from which on elements are kept, with fewest exceptions."""
    order = np.argsort(ranked, kind="stable")
    state = kept[order]
    kept_below = np.concatenate([[0], np.cumsum(state)])
    dropped_above = int((~state).sum()) - np.concatenate([[0], np.cumsum(~state)])
    wrong = kept_below + dropped_above
    places = np.flatnonzero(wrong == wrong.min())
    place = int(places[len(places) // 2])
    bounded = np.concatenate([[0.0], ranked[order], [1.0]])
    return float((bounded[place] + bounded[place + 1]) / 2)


def conflicts_kept(states: Flags, signs: Floats) -> float:
    """Of pairs of opposite sign of which one is kept, the share of which both are.

    Parameters
    ----------
    states : ndarray of bool, shape (k, n)
        What is kept.
    signs : ndarray, shape (k, n)
    """
    both = either = 0
    for one in range(len(signs)):
        for other in range(one):
            against = signs[one] * signs[other] < 0
            a, b = states[one, against], states[other, against]
            both += int(np.count_nonzero(a & b))
            either += int(np.count_nonzero(a | b))
    return both / max(either, 1)
