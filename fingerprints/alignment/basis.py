"""In which basis one model's residual stream is the other's: a rotation, or a permutation with signs.

Tokens that both vocabularies have are fitted first. Where these are not in one order, second moments of the embedding
and of first MLP matrices give a first guess, which matched neurons refine. Rows that took no part in the fit decide
whether it is believed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from math import prod

import numpy as np

from fingerprints.alignment.axis_map import Floats32
from fingerprints.alignment.folding import Folding, find_folding
from fingerprints.alignment.stacks import StackPair
from fingerprints.alignment.unit_features import WHOLE, scaled_rows, unit_features
from fingerprints.anatomy import Anatomy, Part
from fingerprints.checkpoint import Checkpoint
from fingerprints.kernels.bases import as_permutation, from_moments, is_hadamard, procrustes, refined
from fingerprints.kernels.matching import mutual_matches
from fingerprints.sampling import Ints, units

TOKENS = 8192
MOST_ROWS = 4096
"""Rows that are matched with one another at once."""
BELIEVED = 0.2
"""Share of rows outside of the fit that must find a counterpart."""
SAME_TOKENS = 0.3
"""By so much the cosines of rows of one number must exceed those of others for tokens to be in one order."""
FIRST = ("ffn_gate", "ffn_up", "ffn_gate_up")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Basis:
    """B's residual stream in terms of A's: `x_b = scale * x_a @ matrix`.

    `columns` and `signs` say so more shortly where the matrix is a signed permutation: dimension i of A is dimension
    `columns[i]` of B. `foldings` tell how each side's gains are folded (None: they are not); `tokens` whether rows of
    one number in the embeddings are one token; `share` is what was matched outside of the fit.
    """

    matrix: Floats32
    scale: float
    columns: Ints | None
    signs: Floats32 | None
    hadamard: bool
    foldings: tuple[Folding | None, Folding | None]
    tokens: bool
    share: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Side:
    anatomy: Anatomy
    checkpoint: Checkpoint
    tower: str
    folding: Folding | None

    def part(self, role: str) -> Part | None:
        return next(
            (
                part
                for part in self.anatomy.parts.values()
                if part.role == role and part.tower == self.tower and len(part.shape) == 2
            ),
            None,
        )

    def rows(self, part: Part, rows: Ints | None = None) -> Floats32 | None:
        """Folded rows of a matrix: one a unit of the axis that is not the residual stream."""
        place = part.axes.index("residual")
        if rows is None:
            inner = np.arange(part.shape[place], dtype=np.int64)
            values = unit_features(part, 1 - place, inner, self.checkpoint)
        elif place == 1:
            values = unit_features(part, 1, rows, self.checkpoint)
            values = None if values is None else np.ascontiguousarray(values.T)
        else:
            return None
        gain = None if self.folding is None else self.folding.gain_of(part)
        if values is None or gain is None:
            return values
        return values * gain


def find_basis(
    stacks: StackPair,
    anatomies: tuple[Anatomy, Anatomy],
    checkpoints: tuple[Checkpoint, Checkpoint],
    *,
    thorough: bool,
    guess: Floats32 | None = None,
) -> Basis | None:
    """Find the basis.

    Parameters
    ----------
    stacks : StackPair
        Two towers of equal residual width.
    anatomies, checkpoints : pair
        A's and B's.
    thorough : bool
        Use whole embeddings and first matrices of all layers where tokens do not help; else only tokens.
    guess : ndarray, optional
        A matrix to try first.

    Returns
    -------
    Basis or None
        None where no rotation is believed, and where it is the identity.
    """
    foldings = [
        find_folding(anatomy, checkpoint, stack.path)
        for anatomy, checkpoint, stack in zip(anatomies, checkpoints, (stacks.a, stacks.b), strict=True)
    ]
    turned = all(folding is not None for folding in foldings)
    sides = [
        _Side(anatomy=anatomy, checkpoint=checkpoint, tower=stack.path, folding=folding if turned else None)
        for anatomy, checkpoint, stack, folding in zip(
            anatomies, checkpoints, (stacks.a, stacks.b), foldings, strict=True
        )
    ]
    tested = _first_rows(stacks, sides)
    if tested is None:
        return None
    given = [] if guess is None else [refined(guess, *tested[0])[0]]
    for q in chain(given, _guesses(stacks, sides, tested[0], thorough=thorough)):
        share = _share(q, *tested[1])
        if share < BELIEVED:
            continue
        if not np.shares_memory(tested[0][0], tested[1][0]):
            both_a, both_b = (np.concatenate(each) for each in zip(*tested, strict=True))
            q = refined(q, both_a, both_b)[0]
        permutation = as_permutation(q)
        if permutation is None and not turned:
            continue
        if permutation is not None:
            q = np.zeros_like(q)
            q[np.arange(len(q)), permutation[0]] = permutation[1]
            if np.array_equal(permutation[0], np.arange(len(q))) and (permutation[1] > 0).all():
                return None
        tokens, scale = _tokens(q, sides)
        return Basis(
            matrix=q,
            scale=scale,
            columns=None if permutation is None else permutation[0],
            signs=None if permutation is None else permutation[1],
            hadamard=permutation is None and is_hadamard(q),
            foldings=(sides[0].folding, sides[1].folding),
            tokens=tokens,
            share=share,
        )
    return None


Rows = tuple[Floats32, Floats32]


def _guesses(stacks: StackPair, sides: list[_Side], fitted: Rows, *, thorough: bool) -> Iterator[Floats32]:
    """Candidates, the cheapest first, each refined on rows of one layer."""
    tables = [side.part("token_embd") for side in sides]
    if tables[0] is not None and tables[1] is not None:
        common = min(tables[0].shape[0], tables[1].shape[0])
        rows = units(common, TOKENS)
        x, y = (side.rows(table, rows) for side, table in zip(sides, tables, strict=True) if table is not None)
        if x is not None and y is not None:
            yield refined(procrustes(_centred(x), _centred(y)), *fitted)[0]
    if thorough:
        moments = list(_moments(stacks, sides))
        if (q := from_moments(moments)) is not None:
            yield refined(q, *_with_tokens(fitted, sides))[0]


def _with_tokens(fitted: Rows, sides: list[_Side]) -> Rows:
    """Rows of a layer and, where they are few, of the embeddings."""
    tables = [side.part("token_embd") for side in sides]
    whole = [None if table is None else side.rows(table) for side, table in zip(sides, tables, strict=True)]
    if whole[0] is None or whole[1] is None or max(len(whole[0]), len(whole[1])) > MOST_ROWS:
        return fitted
    x, y = (
        np.concatenate([rows, scaled_rows(table)]) for rows, table in zip(fitted, (whole[0], whole[1]), strict=True)
    )
    return x, y


def _moments(stacks: StackPair, sides: list[_Side]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Second moments that do not depend on the order of tokens, neurons, experts or layers."""
    for role in ("token_embd", "output"):
        parts = [side.part(role) for side in sides]
        rows = [None if part is None else side.rows(part) for side, part in zip(sides, parts, strict=True)]
        if rows[0] is not None and rows[1] is not None:
            centred = [_centred(each).astype(np.float64) for each in rows if each is not None]
            yield centred[0].T @ centred[0], centred[1].T @ centred[1]
    for roles in (("ffn_gate",), ("ffn_up", "ffn_gate_up")):
        sums = []
        for side, stack in zip(sides, (stacks.a, stacks.b), strict=True):
            total: np.ndarray | None = None
            for layer in stack.layers.values():
                for part in layer.values():
                    if part.role in roles and part.axes.count("residual") == 1 and len(part.shape) == 2:
                        values = side.rows(part)
                        if values is not None:
                            unit = scaled_rows(values).astype(np.float64)
                            total = unit.T @ unit if total is None else total + unit.T @ unit
            sums.append(total)
        if sums[0] is not None and sums[1] is not None:
            yield sums[0], sums[1]


def _first_rows(stacks: StackPair, sides: list[_Side]) -> tuple[Rows, Rows] | None:
    """Unit rows of first MLP matrices: of one half of the layers to fit, of the other to test the fit."""
    halves: list[list[Floats32]] = [[], [], [], []]
    depths = len(stacks.a.layers), len(stacks.b.layers)
    for place, (side, stack) in enumerate(zip(sides, (stacks.a, stacks.b), strict=True)):
        numbers = list(stack.layers)
        chosen = numbers if depths[0] != depths[1] else [numbers[len(numbers) // 3], numbers[-1 - len(numbers) // 3]]
        if len(set(chosen)) == 1 and depths[0] == depths[1]:
            chosen = [numbers[0]]
        for order, layer in enumerate(chosen):
            firsts = [
                part
                for part in sorted(stack.layers[layer].values(), key=_rank)
                if part.role in FIRST and part.axes.count("residual") == 1 and len(part.shape) == 2
            ]
            for part in firsts[:1] if len(chosen) > 1 else firsts:
                if prod(part.shape) * 2 > WHOLE:
                    continue
                values = side.rows(part)
                if values is not None:
                    fit = order % 2 == 0 if len(chosen) > 1 else part is firsts[0]
                    halves[2 * place + (0 if fit else 1)].append(scaled_rows(values))
    if depths[0] != depths[1]:
        everything = [halves[0] + halves[1], halves[2] + halves[3]]
        halves = [everything[0], everything[0], everything[1], everything[1]]
    if not all(halves):
        return None
    fit_a, test_a, fit_b, test_b = (np.concatenate(half)[:MOST_ROWS] for half in halves)
    return (fit_a, fit_b), (test_a, test_b)


def _rank(part: Part) -> int:
    return FIRST.index(part.role) if part.role in FIRST else len(FIRST)


def _share(q: Floats32, x: Floats32, y: Floats32) -> float:
    """Share of the rows that find a counterpart under `q`; with either sign where that finds more."""
    c = (x @ q) @ y.T
    rows = max((mutual_matches(each)[0] for each in (c, np.abs(c))), key=len)
    return len(rows) / max(1, min(len(x), len(y)))


def _tokens(q: Floats32, sides: list[_Side]) -> tuple[bool, float]:
    """Whether embeddings agree row by row under `q`, and by which factor their sizes differ."""
    tables = [side.part("token_embd") for side in sides]
    if tables[0] is None or tables[1] is None:
        return False, 1.0
    rows = units(min(tables[0].shape[0], tables[1].shape[0]), TOKENS)
    x, y = (side.rows(table, rows) for side, table in zip(sides, tables, strict=True) if table is not None)
    if x is None or y is None:
        return False, 1.0
    turned, other = scaled_rows(_centred(x) @ q), scaled_rows(_centred(y))
    matched, others = (float(np.median(np.einsum("ij,ij->i", turned, np.roll(other, by, axis=0)))) for by in (0, 1))
    sizes = np.linalg.norm(_centred(y)) / max(float(np.linalg.norm(_centred(x))), 1e-30)
    return matched - others > SAME_TOKENS, float(sizes)


def _centred(values: Floats32) -> Floats32:
    """Rows without their mean over the rows."""
    centred: Floats32 = values - values.mean(axis=0, keepdims=True)
    return centred
