"""Which of several relatives is closest, and which are related through another.

Changes of training point in their own directions: on the way from a grandparent over a parent, squared lengths add up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from provenance.observation import Observation

FLOOR = 0.01
"""Relative changes below this are rounding of fingerprints."""
DEVIATIONS = 2.0
EQUAL = 0.01
"""Steps in the share of equal values that count; fewer may stay as they were by rounding."""
NEARLY = 1.1
"""How many times as long another way may be for angles to be asked."""
RIGHT_ANGLE = 0.25
"""Cosine between two steps up to which they count as independent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """How far a candidate is from the model: squared relative changes by the model's tensors, how many are equal, and
    the share of the values looked at that these hold.
    """

    changes: Mapping[str, float]
    equal: int
    equal_share: float = 0.0

    @property
    def distance(self) -> float | None:
        """Root of their mean; None where there are none."""
        return math.sqrt(float(np.mean(list(self.changes.values())))) if self.changes else None


Between = Callable[[int, int], Path]


def path_of(observed: Observation) -> Path:
    """The path from A to B of an observation.

    Parameters
    ----------
    observed : Observation
        A candidate and the model.
    """
    changes = {
        item.pair.b.name: 0.0 if name in observed.equal_tensors else min(item.relative_change, 1.0) ** 2
        for name, item in sorted(observed.measured.items())
        if len(item.pair.a.shape) > 1
    }
    sizes = {name: item.pair.a.info.size for name, item in observed.measured.items()}
    equal = sum(sizes.get(name, 0) for name in observed.equal_tensors)
    return Path(changes=changes, equal=len(observed.equal_tensors), equal_share=equal / max(sum(sizes.values()), 1))


def closest(paths: Sequence[Path], between: Between | None = None) -> list[int]:
    """Places of the paths that none is clearly shorter than, the shortest first.

    Values that stayed as they were come before lengths: a model that took them from one candidate over another would
    have to have changed them back. Two tie where their changes do not differ beyond their scatter over tensors, where
    both are rounding and the same number of tensors is equal, or where they are nearly as long and the angles of the
    three models do not say which one the way leads through.

    Parameters
    ----------
    paths : sequence of Path
        From each candidate to the model.
    between : callable, optional
        The path between two candidates, by their places.
    """
    known = [place for place, path in enumerate(paths) if path.distance is not None]
    if not known:
        return list(range(len(paths)))

    def rank(place: int) -> tuple[int, float, int, float, int]:
        path = paths[place]
        length = path.distance or 0.0
        return -int(path.equal_share / EQUAL), max(length, FLOOR), -path.equal, length, place

    order = sorted(known, key=rank)
    first, best = order[0], paths[order[0]]
    return [
        place
        for place in order
        if place == first
        or (rank(place)[0] == rank(first)[0] and _tie(best, paths[place]))
        or (between is not None and _open(best, paths[place], partial(between, first, place)))
    ]


def _tie(best: Path, other: Path) -> bool:
    if max(best.distance or 0.0, other.distance or 0.0) < FLOOR:
        return best.equal == other.equal
    names = best.changes.keys() & other.changes.keys()
    if len(names) < 2 or best.equal != other.equal:
        return False
    gaps = np.array([other.changes[name] - best.changes[name] for name in sorted(names)])
    return bool(abs(gaps.mean()) <= DEVIATIONS * gaps.std(ddof=1) / math.sqrt(len(gaps)))


def _open(best: Path, other: Path, between: Callable[[], Path]) -> bool:
    """Whether two candidates are nearly as far, and the best one is not shown to lie on the way."""
    near, far = best.distance or 0.0, other.distance or 0.0
    if near < FLOOR or far > NEARLY * near or best.equal or other.equal:
        return False
    step = between().distance
    if step is None or step < FLOOR:
        return True
    return abs(_cosine(near, step, far)) > RIGHT_ANGLE or abs(_cosine(far, step, near)) <= RIGHT_ANGLE


def _cosine(one: float, other: float, opposite: float) -> float:
    """Of the angle between two sides of a triangle."""
    return (one * one + other * other - opposite * opposite) / (2 * one * other)


def leads_through(nearest: Path, between: Path, other: Path) -> bool:
    """Whether the way from the model to `other` leads over the nearest candidate.

    Parameters
    ----------
    nearest, between, other : Path
        From the model to the nearest, from the nearest to the other, from the model to the other.
    """
    a, b, c = nearest.distance, between.distance, other.distance
    if a is None or b is None or c is None or c < FLOOR:
        return False
    if a < FLOOR:
        return True
    return b >= FLOOR and c > a and abs(_cosine(a, b, c)) <= RIGHT_ANGLE
