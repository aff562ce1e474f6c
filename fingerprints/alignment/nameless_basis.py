"""In which basis a model without usable names has its residual stream, as far as that can be told without any roles.

Matrices of one shape are taken as one bag: all rows of `gate` and `up` of all layers together have the same second
moments on both sides, whichever tensor is which, and find their counterparts in the same bag.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprints.alignment.axis_map import Floats32
from fingerprints.alignment.basis import MOST_ROWS, TOKENS
from fingerprints.alignment.basis_side import FIRST
from fingerprints.alignment.folding import Folding
from fingerprints.alignment.streams import TABLES, Reading, stream_rows
from fingerprints.alignment.unit_features import scaled_rows
from fingerprints.anatomy import Part
from fingerprints.checkpoint import Checkpoint
from fingerprints.kernels.bases import from_moments, procrustes, refined
from fingerprints.kernels.spans import span_sketch, weighted_moments
from fingerprints.sampling import units

DIRECTIONS = 48
"""Directions along which spans are seen."""
MOMENTS = 3
SEED = 20260
PROMISING = 0.3
"""Median likeness of first matrices from which a guess is worth refining; strangers reach 0.68."""
ROUNDS = 4
SETTLED = 0.01
"""What a refinement must gain in likeness for another one to follow."""
Streams = Sequence[tuple[Part, Reading]]
Shape = tuple[int, ...]
Moments = tuple[npt.NDArray[Any], npt.NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Named:
    """A tower of known roles: its matrices on the residual stream by shape, and its folding if it has one."""

    checkpoint: Checkpoint
    width: int
    streams: Mapping[Shape, Streams]
    folding: Folding | None

    def rows(self, part: Part, reading: Reading, *, folded: bool) -> Floats32 | None:
        """The matrix, one row a unit."""
        return stream_rows(part, reading, self.checkpoint, self.folding if folded else None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Nameless:
    """Matrices of unknown roles by shape."""

    checkpoint: Checkpoint
    parts: Mapping[Shape, Sequence[Part]]

    def rows(self, part: Part, reading: Reading) -> Floats32 | None:
        """The matrix, one row a unit of a given reading."""
        return stream_rows(part, reading, self.checkpoint)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Guess:
    """`x_nameless = x_named @ matrix`, the named side's gains folded or not; `likeness` of the first matrices then."""

    matrix: Floats32
    folded: bool
    likeness: float


def guess_basis(named: Named, nameless: Nameless) -> Guess | None:
    """The most likely basis, however unlikely; None where the sides have nothing to go by.

    Parameters
    ----------
    named, nameless
        The two sides.
    """
    guesses = [
        Guess(matrix=matrix, folded=folded, likeness=_likeness(named, nameless, matrix, folded=folded))
        for folded in ((True, False) if named.folding is not None else (False,))
        for matrix in _candidates(named, nameless, folded=folded)
    ]
    if not guesses:
        return None
    best = max(guesses, key=lambda guess: guess.likeness)
    for _ in range(ROUNDS):
        if best.likeness < PROMISING or (fitted := _fitted(named, nameless, best)) is None:
            break
        matrix = refined(best.matrix, *fitted)[0]
        likeness = _likeness(named, nameless, matrix, folded=best.folded)
        if likeness <= best.likeness + SETTLED:
            break
        best = Guess(matrix=matrix, folded=best.folded, likeness=likeness)
    return best


def partners(
    named: Named, nameless: Nameless, shape: Shape, matrix: Floats32, *, folded: bool
) -> list[tuple[int, int, float]]:
    """Which matrices of one shape stand for one another, by what their rows span.

    Parameters
    ----------
    named, nameless
        The two sides.
    shape : tuple of int
        Of the matrices.
    matrix, folded
        The basis, see `Guess`.

    Returns
    -------
    list of (place in `named.streams[shape]`, place in `nameless.parts[shape]`, likeness)
        The one-to-one assignment of largest total likeness, in [-1, 1].
    """
    from scipy.optimize import linear_sum_assignment  # deferred: its import costs a third of a second

    streams, parts = named.streams[shape], nameless.parts.get(shape, ())
    directions = directions_of(named.width)
    turned = np.ascontiguousarray(matrix.T @ directions)
    table = np.full((len(streams), len(parts)), -1.0)
    for reading in dict.fromkeys(reading for _, reading in streams):
        places = [i for i, (_, other) in enumerate(streams) if other == reading]
        mine = [(i, named.rows(streams[i][0], reading, folded=folded)) for i in places]
        theirs = [(j, nameless.rows(part, reading)) for j, part in enumerate(parts)]
        x = [(i, span_sketch(rows, directions, reading.block)) for i, rows in mine if rows is not None]
        y = [(j, span_sketch(rows, turned, reading.block)) for j, rows in theirs if rows is not None]
        if x and y:
            at = np.ix_([i for i, _ in x], [j for j, _ in y])
            table[at] = np.stack([sketch for _, sketch in x]) @ np.stack([sketch for _, sketch in y]).T
    return [
        (int(i), int(j), float(table[i, j])) for i, j in zip(*linear_sum_assignment(table, maximize=True), strict=True)
    ]


def directions_of(width: int) -> Floats32:
    """Orthonormal directions, the same for every run; shape (width, up to 48)."""
    random = np.random.default_rng(SEED)
    drawn = random.standard_normal((width, min(width, DIRECTIONS)))
    return np.asarray(np.linalg.qr(drawn)[0], dtype=np.float32)


def first_shapes(named: Named) -> list[Shape]:
    """Shapes of the matrices that neurons read with."""
    return [shape for shape, streams in named.streams.items() if any(part.role in FIRST for part, _ in streams)]


def _likeness(named: Named, nameless: Nameless, matrix: Floats32, *, folded: bool) -> float:
    found = [
        value
        for shape in first_shapes(named)
        for _, _, value in partners(named, nameless, shape, matrix, folded=folded)
    ]
    return float(np.median(found)) if found else 0.0


def _candidates(named: Named, nameless: Nameless, *, folded: bool) -> Iterator[Floats32]:
    """Bases by tokens of one number, then by moments, with each table that might be the embedding and without."""
    tables = list(_tables(named, nameless, folded=folded))
    for x, y in tables:
        rows = units(min(len(x), len(y)), TOKENS)
        yield procrustes(x[rows], y[rows])
    moments: list[Moments] = []
    for shape, reading in _bags(named):
        ours = weighted_moments(partial(_bag, named, shape, reading, folded=folded), MOMENTS)
        theirs = weighted_moments(partial(_unnamed_bag, nameless, shape, reading), MOMENTS)
        moments += zip(ours, theirs, strict=False)
    if not moments:
        return
    known: list[list[Moments]] = [[(x.T.astype(np.float64) @ x, y.T.astype(np.float64) @ y)] for x, y in tables]
    for first in (*known, []):
        if (q := from_moments([*first, *moments])) is not None:
            yield q


def _bags(named: Named) -> list[tuple[Shape, Reading]]:
    return [(shape, reading) for shape in first_shapes(named) for reading in _readings(named, shape)]


def _readings(named: Named, shape: Shape) -> list[Reading]:
    return list(dict.fromkeys(reading for part, reading in named.streams[shape] if part.role in FIRST))


def _bag(named: Named, shape: Shape, reading: Reading, *, folded: bool) -> Iterable[Floats32]:
    """All matrices of a shape as if they were read alike."""
    for part, _ in named.streams[shape]:
        if (rows := named.rows(part, reading, folded=folded)) is not None:
            yield rows


def _unnamed_bag(nameless: Nameless, shape: Shape, reading: Reading) -> Iterable[Floats32]:
    for part in nameless.parts.get(shape, ()):
        if (rows := nameless.rows(part, reading)) is not None:
            yield rows


def _fitted(named: Named, nameless: Nameless, guess: Guess) -> tuple[Floats32, Floats32] | None:
    """Unit rows to be matched with one another: those of the matrices that are most alike under a guess."""
    found = [
        (likeness, *named.streams[shape][i], nameless.parts[shape][j])
        for shape in first_shapes(named)
        for i, j, likeness in partners(named, nameless, shape, guess.matrix, folded=guess.folded)
    ]
    sides: tuple[list[Floats32], list[Floats32]] = ([], [])
    for _, part, reading, other in sorted(found, key=lambda each: -each[0]):
        x, y = named.rows(part, reading, folded=guess.folded), nameless.rows(other, reading)
        if x is None or y is None:
            continue
        if sides[0] and sum(map(len, sides[0])) + len(x) > MOST_ROWS:
            break
        for side, rows in zip(sides, (x, y), strict=True):
            side.append(scaled_rows(rows))
    return (np.concatenate(sides[0]), np.concatenate(sides[1])) if sides[0] else None


def _tables(named: Named, nameless: Nameless, *, folded: bool) -> Iterator[tuple[Floats32, Floats32]]:
    """The embedding beside every matrix of its shape."""
    for shape, streams in named.streams.items():
        for part, reading in streams:
            if part.role != TABLES[0]:
                continue
            x = named.rows(part, reading, folded=folded)
            for other in nameless.parts.get(shape, ()):
                y = nameless.rows(other, reading)
                if x is not None and y is not None:
                    yield x, y
