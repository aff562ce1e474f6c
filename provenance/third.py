"""Where a third relative stands: which of three models lies between the other two.

Changes made independently of one another are nearly at right angles. At a model from which (or through which) the other
two were made, their differences therefore enclose about 90 degrees; at three leaves of a common ancestor that is not
among them, about 60. Training on the same data breaks this: then no tree is claimed. The tree of the three has no
arrows of itself, for a chain and a fork look alike: an arrow follows where structure directs one edge into the middle.
After Horwitz et al., arXiv 2405.18432 and 2503.10633.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fingerprints.adapters import open_model
from fingerprints.anatomy import build_anatomy
from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CheckpointError
from fingerprints.layouts import harmonised
from fingerprints.pairing import pair_parts
from fingerprints.sampling import spread, units
from fingerprints.values import widened
from provenance.result import Direction, Relation, Result, Third, rounded

ROWS = 64
MOST_TENSORS = 64
NEAR = 0.1
"""How near to an end of the shortest side, in lengths of it, the third model must stand: that end is the middle."""
LONGEST = 8.0
"""Over the shortest side; beyond, what little any two changes have in common drowns where the third model stands."""
SIBLINGS = (0.3, 0.7)
"""Where it stands for three leaves."""
APART = 0.3
"""Cosine that all corners must reach for three leaves."""
OPPOSITE = -0.5
"""Cosine from which a corner lies between the other two."""
EQUAL = 1e-9
"""Share of the largest squared distance below which two models count as equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corners:
    """Squared distances between three models, summed over matrices that all three have, and how many those are."""

    ab: float
    ac: float
    bc: float
    tensors: int

    @property
    def cosines(self) -> tuple[float, float, float]:
        """Of the angle at A, at B, and at C, in [-1, 1]."""
        return (
            _cosine(self.ab, self.ac, self.bc),
            _cosine(self.ab, self.bc, self.ac),
            _cosine(self.ac, self.bc, self.ab),
        )


def measure_corners(paths: tuple[str | Path, str | Path, str | Path], *, seed: int = 0) -> Corners:
    """Distances of three checkpoints from one another.

    Parameters
    ----------
    paths : three of str or Path
        A, B and C; B and C are brought into A's names and layouts.
    seed : int
        Moves the rows that are read: at most 64 of at most 64 matrices.

    Raises
    ------
    CheckpointError
        When a side cannot be used.
    """
    ab = ac = bc = 0.0
    count = 0
    with open_model(paths[0]) as a, open_model(paths[1]) as b, open_model(paths[2]) as c:
        views = [harmonised(a, other)[:2] for other in (b, c)]
        names = [_partners(*pair) for pair in views]
        common = [name for name in names[0] if name in names[1]]
        for place in spread(len(common), MOST_TENSORS):
            name = common[place]
            values = _values(views, name, (names[0][name], names[1][name]), seed)
            if values is None:
                continue
            x, y, z = values
            ab += float(np.square(y - x).sum())
            ac += float(np.square(z - x).sum())
            bc += float(np.square(z - y).sum())
            count += 1
    return Corners(ab=ab, ac=ac, bc=bc, tensors=count)


def place_third(first: Result, with_a: Result, with_b: Result, corners: Corners, reference: str) -> Third:
    """The tree of three models.

    Parameters
    ----------
    first, with_a, with_b : Result
        Of A and B, of A and C, of B and C.
    corners : Corners
        Their distances.
    reference : str
        How C was named.
    """
    relations = [result.verdict.relation for result in (first, with_a, with_b)]
    cosines = tuple(rounded(value) for value in corners.cosines)

    def third(middle: str | None, tree: str) -> Third:
        return Third(
            reference=reference,
            relation_a=relations[1],
            relation_b=relations[2],
            cosines=dict(zip("abc", cosines, strict=True)),
            middle=middle,
            tree=tree,
        )

    related = (Relation.DERIVED, Relation.IDENTICAL)
    if not corners.tensors or any(relation not in related for relation in relations):
        return third(None, "not all three are derived from one another")
    largest = max(corners.ab, corners.ac, corners.bc)
    if min(corners.ab, corners.ac, corners.bc) <= EQUAL * largest:
        return third(None, "two of the three hold equal values")
    if (flat := _on_a_line(cosines)) is not None:
        others = " and ".join(letter.upper() for letter in "abc" if letter != flat)
        return third(None, f"{flat.upper()} lies on the line between {others}, as a merge of both would")
    middle, place = _nearest_corner(corners)
    if middle is not None:
        return third(middle, _tree(middle, (first, with_a, with_b)))
    if SIBLINGS[0] <= place <= SIBLINGS[1] and all(value >= APART for value in cosines):
        return third(None, "A, B and C are siblings: each differs from a common ancestor that is none of them")
    return third(None, "the distances fit no tree clearly")


def _on_a_line(cosines: tuple[float, ...]) -> str | None:
    lowest = min(range(3), key=lambda place: cosines[place])
    return "abc"[lowest] if cosines[lowest] <= OPPOSITE else None


def _nearest_corner(corners: Corners) -> tuple[str | None, float]:
    """The middle, at one end of the shortest side, and where on that side the third model stands, seen along it.

    0 and 1 are the ends: a change that has nothing to do with the short one starts there.
    """
    sides = {"ab": corners.ab, "ac": corners.ac, "bc": corners.bc}
    short = min(sides, key=lambda key: (sides[key], key))
    if max(sides.values()) > LONGEST**2 * sides[short]:
        return None, math.nan
    (opposite,) = set("abc") - set(short)
    to_first, to_second = (sides["".join(sorted((end, opposite)))] for end in short)
    place = (sides[short] + to_first - to_second) / (2.0 * sides[short])
    if abs(place) <= NEAR:
        return short[0], place
    if abs(place - 1.0) <= NEAR:
        return short[1], place
    return None, place


def _tree(middle: str, results: tuple[Result, Result, Result]) -> str:
    """The chain through the middle, with arrows where an edge into the middle is directed."""
    edges = {"ab": results[0], "ac": results[1], "bc": results[2]}
    ends = [letter for letter in "abc" if letter != middle]
    ways = {}
    for end in ends:
        key = "".join(sorted((end, middle)))
        direction = edges[key].verdict.direction
        if direction in (Direction.A_TO_B, Direction.B_TO_A):
            source = key[0] if direction is Direction.A_TO_B else key[1]
            ways[end] = "in" if source == end else "out"
    into = [end for end in ends if ways.get(end) == "in"]
    names = [letter.upper() for letter in (ends[0], middle, ends[1])]
    if len(into) == 1:
        other = next(end for end in ends if end != into[0])
        return f"{into[0].upper()} -> {middle.upper()} -> {other.upper()}"
    if all(ways.get(end) == "out" for end in ends):
        return f"{names[0]} <- {names[1]} -> {names[2]}: {names[0]} and {names[2]} are siblings"
    text = " - ".join(names)
    return f"{text}: {middle.upper()} lies between the other two; a chain and a fork look alike"


def _cosine(one: float, other: float, opposite: float) -> float:
    sides = math.sqrt(one * other)
    return max(-1.0, min(1.0, (one + other - opposite) / (2.0 * sides))) if sides > 0 else 0.0


def _partners(a: Checkpoint, b: Checkpoint) -> dict[str, str]:
    """Matrices of A and what they are called in B, where the shapes are equal."""
    pairing = pair_parts(build_anatomy(a), build_anatomy(b))
    return {
        pair.a.name: pair.b.name
        for pair in pairing.pairs
        if len(pair.a.shape) > 1 and pair.a.shape == pair.b.shape and not pair.ambiguous
    }


def _values(
    views: list[tuple[Checkpoint, Checkpoint]], name: str, others: tuple[str, str], seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    (a, b), (again, c) = views
    length = a.tensors[name].shape[0]
    if again.tensors[name].shape != a.tensors[name].shape:
        return None
    rows = units(length, ROWS, seed=seed)
    try:
        sides = ((a, name), (b, others[0]), (c, others[1]))
        found = [widened(side.take(key, rows)).astype(np.float64) for side, key in sides]
    except CheckpointError:
        return None
    x, y, z = found
    return (x, y, z) if all(np.isfinite(side).all() for side in found) else None
