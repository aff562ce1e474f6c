"""In which basis one model's residual stream is the other's: a rotation, or a permutation with signs.

Tokens that both vocabularies have are fitted first. Where these are not in one order, rows that are recognised by their
angles to others, or else second moments of the embedding and of first MLP matrices, give a first guess, which matched
neurons refine. Rows that took no part in the fit decide
whether it is believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from fingerprints.alignment.axis_map import Floats32
from fingerprints.alignment.basis_side import BasisSide, centred, first_matrices
from fingerprints.alignment.folding import Folding, find_folding
from fingerprints.alignment.stacks import StackPair
from fingerprints.alignment.unit_features import scaled_rows
from fingerprints.anatomy import Anatomy, Part
from fingerprints.checkpoint import Checkpoint
from fingerprints.kernels.bases import WIDE, as_permutation, from_moments, is_hadamard, procrustes, refined
from fingerprints.kernels.matching import mutual_matches
from fingerprints.kernels.profiles import from_profiles
from fingerprints.sampling import Ints, spread, units

TOKENS = 8192
MOST_ROWS = 4096
"""Rows that are matched with one another at once."""
TABLE_ROWS = 16_384
MOMENT_ROWS = 2048
"""Rows of a table, and of each layer's matrix, that second moments are taken of."""
PROFILED_LAYERS = 3
PROFILED_ROWS = 2048
"""Layers, and rows of each matrix, that are recognised by their angles to others."""
BELIEVED = 0.3
"""Share of rows outside of the fit that must find a counterpart; strangers of one recipe reach .24."""
SAME_TOKENS = 0.3
"""By so much the cosines of rows of one number must exceed those of others for tokens to be in one order."""


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


def find_basis(
    stacks: StackPair,
    anatomies: tuple[Anatomy, Anatomy],
    checkpoints: tuple[Checkpoint, Checkpoint],
    *,
    thorough: bool,
    guess: Floats32 | None = None,
    least: float = BELIEVED,
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
    least : float
        Share of rows outside of the fit that must find a counterpart. Of candidates under `BELIEVED` the best is taken,
        though it may be none that keeps a function: for what independent models reach.

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
        BasisSide(anatomy=anatomy, checkpoint=checkpoint, tower=stack.path, folding=folding if turned else None)
        for anatomy, checkpoint, stack, folding in zip(
            anatomies, checkpoints, (stacks.a, stacks.b), foldings, strict=True
        )
    ]
    tested = _first_rows(stacks, sides)
    if tested is None:
        return None
    given = [] if guess is None else [refined(guess, *tested[0])[0]]
    guesses = chain(given, _guesses(stacks, sides, tested[0], thorough=thorough))
    tried: Iterable[tuple[Floats32, float]] = ((q, _share(q, *tested[1])) for q in guesses)
    if least < BELIEVED:
        tried = sorted(tried, key=lambda each: -each[1])
    for q, share in tried:
        if share < least:
            continue
        if not np.shares_memory(tested[0][0], tested[1][0]):
            both_a, both_b = (np.concatenate(each) for each in zip(*tested, strict=True))
            q = refined(q, both_a, both_b)[0]
        permutation = as_permutation(q)
        if permutation is None and not turned and least >= BELIEVED:
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


def _guesses(stacks: StackPair, sides: list[BasisSide], fitted: Rows, *, thorough: bool) -> Iterator[Floats32]:
    """Candidates, the cheapest first, each refined on rows of one layer."""
    tables = [side.part("token_embd") for side in sides]
    if tables[0] is not None and tables[1] is not None:
        common = min(tables[0].shape[0], tables[1].shape[0])
        rows = units(common, TOKENS)
        x, y = (side.rows(table, rows) for side, table in zip(sides, tables, strict=True) if table is not None)
        if x is not None and y is not None:
            yield refined(procrustes(centred(x), centred(y)), *fitted)[0]
    if thorough:
        if (q := from_profiles(*_profiled(stacks, sides))) is not None:
            yield refined(q, *fitted)[0]
        moments = list(_moments(stacks, sides))
        if (q := from_moments(moments)) is not None:
            yield refined(q, *_with_tokens(fitted, sides))[0]


def _profiled(stacks: StackPair, sides: list[BasisSide]) -> tuple[list[Floats32], list[Floats32]]:
    """Sets of unit rows that both sides have: tables, and first MLP matrices of some layers, of equally deep towers."""
    parts: list[tuple[Part, Part]] = []
    for role in ("token_embd", "output"):
        one, other = (side.part(role) for side in sides)
        if one is not None and other is not None:
            parts.append((one, other))
    if len(stacks.a.layers) == len(stacks.b.layers):
        for place in spread(len(stacks.a.layers), PROFILED_LAYERS):
            firsts = [first_matrices(list(stack.layers.values())[place]) for stack in (stacks.a, stacks.b)]
            if all(firsts):
                parts.append((firsts[0][0], firsts[1][0]))
    found: tuple[list[Floats32], list[Floats32]] = ([], [])
    for pair in parts:
        rows = [side.longest(part, PROFILED_ROWS) for side, part in zip(sides, pair, strict=True)]
        if rows[0] is not None and rows[1] is not None:
            for kept, values in zip(found, rows, strict=True):
                kept.append(scaled_rows(centred(values)))  # type: ignore[arg-type]
    return found


def _with_tokens(fitted: Rows, sides: list[BasisSide]) -> Rows:
    """Rows of a layer and, where they are few, of the embeddings."""
    tables = [side.part("token_embd") for side in sides]
    if any(table is None or table.shape[0] > MOST_ROWS for table in tables):
        return fitted
    whole = [None if table is None else side.rows(table) for side, table in zip(sides, tables, strict=True)]
    if whole[0] is None or whole[1] is None:
        return fitted
    x, y = (
        np.concatenate([rows, scaled_rows(table)]) for rows, table in zip(fitted, (whole[0], whole[1]), strict=True)
    )
    return x, y


def _moments(stacks: StackPair, sides: list[BasisSide]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Second moments that do not depend on the order of tokens, neurons, experts or layers; of the longest rows, where
    there are many.
    """
    for role in ("token_embd", "output"):
        parts = [side.part(role) for side in sides]
        rows = [
            None if part is None else side.longest(part, TABLE_ROWS) for side, part in zip(sides, parts, strict=True)
        ]
        if rows[0] is not None and rows[1] is not None:
            x, y = (centred(each) for each in rows if each is not None)
            yield _moment(x), _moment(y)
    for roles in (("ffn_gate",), ("ffn_up", "ffn_gate_up")):
        sums = []
        for side, stack in zip(sides, (stacks.a, stacks.b), strict=True):
            total: np.ndarray | None = None
            for layer in stack.layers.values():
                for part in layer.values():
                    if part.role in roles and part.axes.count("residual") == 1 and len(part.shape) == 2:
                        values = side.longest(part, MOMENT_ROWS)
                        if values is not None:
                            moment = _moment(scaled_rows(values))
                            total = moment if total is None else total + moment
            sums.append(total)
        if sums[0] is not None and sums[1] is not None:
            yield sums[0], sums[1]


def _first_rows(stacks: StackPair, sides: list[BasisSide]) -> tuple[Rows, Rows] | None:
    """Unit rows of first MLP matrices: of one half of the layers to fit, of the other to test the fit."""
    halves: list[list[Floats32]] = [[], [], [], []]
    depths = len(stacks.a.layers), len(stacks.b.layers)
    for place, (side, stack) in enumerate(zip(sides, (stacks.a, stacks.b), strict=True)):
        numbers = list(stack.layers)
        chosen = numbers if depths[0] != depths[1] else [numbers[len(numbers) // 3], numbers[-1 - len(numbers) // 3]]
        if len(set(chosen)) == 1 and depths[0] == depths[1]:
            chosen = [numbers[0]]
        for order, layer in enumerate(chosen):
            firsts = first_matrices(stack.layers[layer])
            for part in firsts[:1] if len(chosen) > 1 else firsts:
                values = side.longest(part, max(1, MOST_ROWS // len(chosen)))
                if values is not None:
                    fit = order % 2 == 0 if len(chosen) > 1 else part is firsts[0]
                    halves[2 * place + (0 if fit else 1)].append(scaled_rows(values))
    if depths[0] != depths[1]:
        everything = [halves[0] + halves[1], halves[2] + halves[3]]
        halves = [everything[0], everything[0], everything[1], everything[1]]
    if not all(halves):
        return None
    fit_a, test_a, fit_b, test_b = (np.concatenate(half) for half in halves)
    return (fit_a, fit_b), (test_a, test_b)


def _share(q: Floats32, x: Floats32, y: Floats32) -> float:
    """Share of the rows that find a counterpart under `q`; with either sign where that finds more."""
    c = (x @ q) @ y.T
    rows = max((mutual_matches(each)[0] for each in (c, np.abs(c))), key=len)
    return len(rows) / max(1, min(len(x), len(y)))


def _tokens(q: Floats32, sides: list[BasisSide]) -> tuple[bool, float]:
    """Whether embeddings agree row by row under `q`, and by which factor their sizes differ."""
    tables = [side.part("token_embd") for side in sides]
    if tables[0] is None or tables[1] is None:
        return False, 1.0
    rows = units(min(tables[0].shape[0], tables[1].shape[0]), TOKENS)
    x, y = (side.rows(table, rows) for side, table in zip(sides, tables, strict=True) if table is not None)
    if x is None or y is None:
        return False, 1.0
    turned, other = scaled_rows(centred(x) @ q), scaled_rows(centred(y))
    matched, others = (float(np.median(np.einsum("ij,ij->i", turned, np.roll(other, by, axis=0)))) for by in (0, 1))
    sizes = np.linalg.norm(centred(y)) / max(float(np.linalg.norm(centred(x))), 1e-30)
    return matched - others > SAME_TOKENS, float(sizes)


def _moment(values: Floats32) -> np.ndarray:
    """`values.T @ values` in float64, in float32 products where that would take minutes."""
    if values.shape[1] <= WIDE:
        exact = values.astype(np.float64)
        return np.asarray(exact.T @ exact)
    return np.asarray(values.T @ values, dtype=np.float64)
