"""Which counterpart a renamed tensor has, where names and shapes leave a choice: the weights are asked.

The search sees one half of the units (`Half.SEARCH`); the tests that follow use the other half, so that choosing the
best match does not bias them. It only ever chooses partners: that they belong together is for the tests to show.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprints.anatomy import Part, PartKind
from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CheckpointError
from fingerprints.pairing import Pair, PairBasis, Pairing, reassigned
from fingerprints.sampling import Half, units
from fingerprints.templates import natural_key
from fingerprints.values import widened

Floats = npt.NDArray[np.float64]

LARGEST_CLASS = 512
ROWS = 16
COLUMNS = 1024
CLEAR = 0.3
"""A best match below this cosine is no match."""
SAME = 0.999
"""A match this good counts however short the vectors are."""
MARGIN = 0.1
"""The runner-up must be this much less alike, or twice as far from equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """A pairing after the weights were asked; `undecided` counts renamed tensors about which they said nothing."""

    pairing: Pairing
    undecided: int
    crowded: tuple[str, ...]
    """Shapes of which there were too many tensors to compare."""


def assign(pairing: Pairing, a: Checkpoint, b: Checkpoint, *, seed: int = 0) -> Assigned:
    """Settle renamed and left-over tensors by their values.

    Parameters
    ----------
    pairing : Pairing
        From names and shapes.
    a, b : Checkpoint
        Where values are read: at most 16 rows of 1024 columns a tensor.
    seed : int
        Moves the sampled positions.
    """
    open_a = [pair.a for pair in pairing.pairs if _is_open(pair)] + list(pairing.only_a)
    open_b = [pair.b for pair in pairing.pairs if _is_open(pair)] + list(pairing.only_b)
    classes_a, classes_b = _classes(open_a), _classes(open_b)
    swaps: dict[str, Part] = {}
    crowded: list[str] = []
    considered = 0
    for shape in sorted(classes_a.keys() & classes_b.keys()):
        ours, theirs = classes_a[shape], classes_b[shape]
        if len(ours) == len(theirs) == 1 and any(p.a.name == ours[0].name for p in pairing.pairs):
            continue
        if max(len(ours), len(theirs)) > LARGEST_CLASS:
            crowded.append("x".join(map(str, shape)))
            continue
        considered += len(ours)
        for i, j in _matches(_vectors(ours, a, seed), _vectors(theirs, b, seed)):
            swaps[ours[i].name] = theirs[j]
    swaps = _with_followers(pairing, swaps, open_a, open_b)
    settled = reassigned(pairing, swaps) if swaps else pairing
    complete = _last_resort(settled)
    complete = replace(complete, pairs=tuple(_described(pair) for pair in complete.pairs))
    return Assigned(pairing=complete, undecided=considered - len(swaps), crowded=tuple(crowded))


def _described(pair: Pair) -> Pair:
    """The pair with a matrix that lost its name (`val_49` of an export) taken for what its counterpart is known to be.

    Which axes hold units need be known of one side only: relabelling its units is a symmetry, whatever the other is.
    """
    if _is_nameless(pair.b) and pair.a.axes and pair.a.shape == pair.b.shape:
        return replace(pair, b=_as(pair.b, pair.a))
    if _is_nameless(pair.a) and pair.b.axes and pair.a.shape == pair.b.shape:
        return replace(pair, a=_as(pair.a, pair.b))
    return pair


def _is_nameless(part: Part) -> bool:
    return part.kind is PartKind.OTHER and not part.role and len(part.shape) > 1


def _as(part: Part, known: Part) -> Part:
    return replace(known, template=part.template, index=part.index, module=part.module, info=part.info)


def _with_followers(
    pairing: Pairing, swaps: dict[str, Part], open_a: Sequence[Part], open_b: Sequence[Part]
) -> dict[str, Part]:
    """Biases and gains, too short to be told apart by themselves, follow the matrix of their module."""
    modules: dict[str, str] = {
        pair.a.module: pair.b.module for pair in pairing.pairs if len(pair.a.shape) > 1 and pair.a.name not in swaps
    }
    ours = {part.name: part for part in open_a}
    modules |= {ours[name].module: part.module for name, part in swaps.items() if len(part.shape) > 1}
    taken = {part.name for part in swaps.values()}
    free = {(part.module, part.kind, part.shape): part for part in open_b if part.name not in taken}
    followers = {
        part.name: free[key]
        for part in open_a
        if part.name not in swaps
        and len(part.shape) == 1
        and (key := (modules.get(part.module, ""), part.kind, part.shape)) in free
    }
    return swaps | followers


def _is_open(pair: Pair) -> bool:
    return pair.renamed and pair.basis in (PairBasis.ROLE, PairBasis.SHAPE) and pair.a.shape == pair.b.shape


def _classes(parts: Sequence[Part]) -> dict[tuple[int, ...], list[Part]]:
    """Tensors of at least 8 real elements by shape."""
    classes: dict[tuple[int, ...], list[Part]] = defaultdict(list)
    for part in parts:
        if part.info.size >= 8 and not part.info.dtype.startswith("C"):
            classes[part.shape].append(part)
    return classes


def _vectors(parts: Sequence[Part], checkpoint: Checkpoint, seed: int) -> Floats:
    """One centred unit vector a tensor, from the half of its units for searches; zero where there is none."""
    return np.stack([_vector(part, checkpoint, seed) for part in parts])


def _vector(part: Part, checkpoint: Checkpoint, seed: int) -> Floats:
    rows = units(part.shape[0], ROWS if len(part.shape) > 1 else COLUMNS, seed=seed, half=Half.SEARCH)
    columns = units(part.shape[1], COLUMNS, seed=seed, half=Half.SEARCH) if len(part.shape) > 1 else None
    size = len(rows) * (1 if columns is None else len(columns) * int(np.prod(part.shape[2:], dtype=np.int64)))
    if size == 0:
        return np.zeros(0)
    try:
        values: npt.NDArray[Any] = widened(checkpoint.take(part.name, rows))
    except CheckpointError:
        return np.zeros(size)
    if columns is not None:
        values = values[:, columns]
    flat = values.astype(np.float64).ravel()
    if not np.isfinite(flat).all():
        return np.zeros(size)
    flat -= flat.mean()
    norm = float(np.linalg.norm(flat))
    return flat / norm if norm > 0 else flat


def _matches(x: Floats, y: Floats) -> list[tuple[int, int]]:
    """Pairs that are each other's best match, clearly so; of several equally good ones, the one in place."""
    if x.shape[1] < 8:
        return []
    c = x @ y.T
    threshold = min(max(CLEAR, 6.0 / np.sqrt(x.shape[1])), SAME)
    found: list[tuple[int, int]] = []
    for i, j in enumerate(c.argmax(axis=1)):
        if c[i, j] < threshold or int(c[:, j].argmax()) != i:
            continue
        others = np.concatenate([np.delete(c[i], j), np.delete(c[:, j], i)])
        second = float(others.max(initial=-1.0))
        if c[i, j] - second >= MARGIN or 2.0 * (1.0 - c[i, j]) + 1e-9 <= 1.0 - second:
            found.append((i, int(j)))
    return found


def _in_order(parts: Sequence[Part]) -> list[Part]:
    return sorted(parts, key=lambda part: natural_key(part.name))


def _last_resort(pairing: Pairing) -> Pairing:
    """Pair what is left where one shape has equally many tensors on both sides: in order, and marked as ambiguous."""
    left_a: dict[tuple[int, ...], list[Part]] = defaultdict(list)
    left_b: dict[tuple[int, ...], list[Part]] = defaultdict(list)
    for part in pairing.only_a:
        left_a[part.shape].append(part)
    for part in pairing.only_b:
        left_b[part.shape].append(part)
    extra = [
        Pair(a=one, b=other, basis=PairBasis.SHAPE, ambiguous=len(parts) > 1)
        for shape, parts in left_a.items()
        if len(parts) == len(left_b.get(shape, ()))
        for one, other in zip(_in_order(parts), _in_order(left_b[shape]), strict=True)
    ]
    if not extra:
        return pairing
    names_a, names_b = {pair.a.name for pair in extra}, {pair.b.name for pair in extra}
    return Pairing(
        pairs=(*pairing.pairs, *extra),
        only_a=tuple(part for part in pairing.only_a if part.name not in names_a),
        only_b=tuple(part for part in pairing.only_b if part.name not in names_b),
    )
