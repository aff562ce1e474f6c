"""How far a model is from another, tensor by tensor, and how near two must or may be that are as far from a third."""

from __future__ import annotations

import math
from collections.abc import Mapping

from fingerprints.alignment.alignment import AGAIN
from provenance.lineage.cost import ROUNDING
from provenance.lineage.pair import Pair


def profile_of(pair: Pair) -> dict[str, tuple[int, float]]:
    """Size of every tensor of A and its relative change, root of mean square."""
    return {change.a: (change.size, math.sqrt(change.squared / change.level)) for change in pair.changes}


def _stored(name: str) -> str:
    """What a tensor is called that a view shows once more."""
    return name.partition(AGAIN)[0]


def least_between(one: Mapping[str, tuple[int, float]], other: Mapping[str, tuple[int, float]]) -> float:
    """What at least lies between two models that lie as far from a third."""
    nothing = (0, 0.0)
    return sum(
        size * 0.5 * math.log1p((far - other.get(_stored(name), nothing)[1]) ** 2 / ROUNDING)
        for name, (size, far) in one.items()
    )
