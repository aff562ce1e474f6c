"""The model in the middle of each family: what the others are most likely to come from."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Final

from provenance.lineage.cost import lengths
from provenance.lineage.pair import Pair

MANY: Final = 0.8
"""Of the most relatives that a model of a family has, how many of each one's nearest are looked at."""


def centres_of(known: Mapping[frozenset[str], Pair]) -> Mapping[str, list[str]]:
    """For each family its centre, and the models that were found related to that.

    Parameters
    ----------
    known : mapping
        Related pairs, by both names.
    """
    near: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for pair in known.values():
        near[pair.a][pair.b] = near[pair.b][pair.a] = sum(lengths(pair))
    return {centre: sorted(near[centre]) for centre in (_middle(family, near) for family in families(near))}


def families(near: Mapping[str, Collection[str]]) -> list[set[str]]:
    """Models that are related to one another at any remove."""
    left, found = set(near), []
    while left:
        family: set[str] = set()
        waiting = [min(left)]
        while waiting:
            name = waiting.pop()
            if name in left:
                left.discard(name)
                family.add(name)
                waiting += near[name]
        found.append(family)
    return found


def _middle(family: Collection[str], near: Mapping[str, Mapping[str, float]]) -> str:
    """The model that most of the family is nearest to; of equal ones the first."""
    many = max(1, round(MANY * max(len(near[name]) for name in family)))

    def reach(name: str) -> tuple[float, str]:
        found = sorted(near[name].values())
        return (sum(found[:many]) if len(found) >= many else math.inf), name

    return min(sorted(family), key=reach)
