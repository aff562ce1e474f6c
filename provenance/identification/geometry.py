"""Which of several relatives is closest, and which are related through another.

Changes of training point in their own directions: on the way from a grandparent over a parent, squared lengths add up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from provenance.observation import Observation

FLOOR = 0.01
"""Relative changes below this are rounding of fingerprints."""
DEVIATIONS = 2.0
RIGHT_ANGLE = 0.25
"""Cosine between two steps up to which they count as independent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """How far a candidate is from the model: squared relative changes by the model's tensors, and equal ones."""

    changes: Mapping[str, float]
    equal: int

    @property
    def distance(self) -> float | None:
        """Root of their mean; None where there are none."""
        return math.sqrt(float(np.mean(list(self.changes.values())))) if self.changes else None


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
    return Path(changes=changes, equal=len(observed.equal_tensors))


def closest(paths: Sequence[Path]) -> list[int]:
    """Places of the paths that none is clearly shorter than, the shortest first.

    Two tie where their changes do not differ beyond their scatter over tensors, or both are rounding and the same
    number of tensors is equal.
    """
    known = [place for place, path in enumerate(paths) if path.distance is not None]
    if not known:
        return list(range(len(paths)))
    lengths = [path.distance or 0.0 for path in paths]
    order = sorted(known, key=lambda place: (max(lengths[place], FLOOR), -paths[place].equal, lengths[place], place))
    best = paths[order[0]]
    return [place for place in order if place == order[0] or _tie(best, paths[place])]


def _tie(best: Path, other: Path) -> bool:
    if max(best.distance or 0.0, other.distance or 0.0) < FLOOR:
        return best.equal == other.equal
    names = best.changes.keys() & other.changes.keys()
    if len(names) < 2 or best.equal != other.equal:
        return False
    gaps = np.array([other.changes[name] - best.changes[name] for name in sorted(names)])
    return bool(abs(gaps.mean()) <= DEVIATIONS * gaps.std(ddof=1) / math.sqrt(len(gaps)))


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
    return b >= FLOOR and c > a and abs(a * a + b * b - c * c) / (2 * a * b) <= RIGHT_ANGLE
