"""Pairs of independently trained nets, chosen without looking at their weights.

A checkpoint is in few pairs, so that no single net can dominate the counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from typing import TypeVar

from bench.zoo import tiny
from bench.zoo.packages import package

MOST = 10
"""Pairs that one checkpoint may be in."""
DISTANCES = (1, 5, 7)
"""Seeds of two tiny nets that are compared differ by one of these, around the circle."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two checkpoints that share no training run; `group` is the row of the table they count in."""

    group: str
    a: Path
    b: Path

    @property
    def name(self) -> str:
        """The same on every machine: the group and the last parts of both paths."""
        return f"{self.group}:{self.a.parent.name}/{self.a.name}:{self.b.parent.name}/{self.b.name}"


def circle(items: Sequence[T], distances: Iterable[int] = DISTANCES) -> list[tuple[T, T]]:
    """Each item with those `distances` further on; the sequence closes to a circle.

    An item is in two pairs a distance. Distances that would give a pair twice are an error.
    """
    distances = list(distances)
    count = len(items)
    if len({frozenset((distance % count, -distance % count)) for distance in distances}) < len(distances) or any(
        2 * distance % count == 0 for distance in distances
    ):
        raise ValueError(f"distances {distances} pair the same items twice among {count}")
    return [(items[i], items[(i + distance) % count]) for distance in distances for i in range(count)]


def ensembles() -> list[Pair]:
    """Members of the two ensembles of admet-ai: among themselves, and across the two tasks."""
    folder = package("admet-ai", "2.0.1") / "admet_ai" / "resources" / "models"
    tasks = {name: sorted((folder / f"admet_{name}").glob("*.pt")) for name in ("classification", "regression")}
    same = [pair for members in tasks.values() for pair in combinations(members, 2)]
    return [Pair(group="admet-ai, one task", a=a, b=b) for a, b in same] + [
        Pair(group="admet-ai, two tasks", a=a, b=b) for a, b in product(*tasks.values())
    ]


def trained(workers: int = 2) -> list[Pair]:
    """Tiny nets of one architecture and different seeds."""
    return [
        Pair(group=f"tiny {name}", a=a, b=b)
        for name, paths in tiny.nets(workers=workers).items()
        for a, b in circle(paths)
    ]


def appearances(pairs: Iterable[Pair]) -> dict[Path, int]:
    """In how many pairs each checkpoint is."""
    counts: dict[Path, int] = {}
    for pair in pairs:
        for path in (pair.a, pair.b):
            counts[path] = counts.get(path, 0) + 1
    return counts


def selected(workers: int = 2) -> list[Pair]:
    """All pairs that calibration compares."""
    pairs = ensembles() + trained(workers)
    most = max(appearances(pairs).values())
    if most > MOST:
        raise ValueError(f"a checkpoint is in {most} pairs; at most {MOST} are allowed")
    return pairs
