"""Which counterpart a renamed tensor has, where names and shapes leave a choice: the weights are asked.

The search sees one half of the units (`Half.SEARCH`); the tests that follow use the other half, so that choosing the
best match does not bias them. It only ever chooses partners: that they belong together is for the tests to show.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from fingerprints.anatomy import Part
from fingerprints.checkpoint import Checkpoint
from fingerprints.description import described
from fingerprints.kernels.partners import MOST, likeliest, match
from fingerprints.layer_order import followers, probes
from fingerprints.pairing import Pair, PairBasis, Pairing
from fingerprints.reassignment import reassigned
from fingerprints.sketches import Sketches
from fingerprints.templates import natural_key

CLEAR = 0.3
"""A best match below this cosine is no match."""
DEVIATIONS = 6.0
"""Nor is one that vectors so short reach by chance: Fisher's z in standard deviations."""
FEWEST_NUMBERS = 8
_OPEN = (PairBasis.NUMBER, PairBasis.ROLE, PairBasis.SHAPE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """A pairing after the weights were asked; `undecided` counts renamed tensors about which they said nothing."""

    pairing: Pairing
    undecided: int
    crowded: tuple[str, ...]
    """Shapes of which too many tensors were too much alike to be told apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Class:
    """Open tensors of one shape: those of A, those of B, their sketches, and where A's have their partners now."""

    ours: Sequence[Part]
    theirs: Sequence[Part]
    a: Sketches
    b: Sketches
    now: Sequence[int]

    @property
    def least(self) -> float:
        """The cosine from which two tensors belong together."""
        freedom = self.a.vectors.shape[1] - 3
        return max(CLEAR, float(np.tanh(DEVIATIONS / np.sqrt(freedom))))


def assign(pairing: Pairing, a: Checkpoint, b: Checkpoint, *, seed: int = 0) -> Assigned:
    """Settle renamed and left-over tensors by their values.

    Parameters
    ----------
    pairing : Pairing
        From names and shapes.
    a, b : Checkpoint
        Where values are read: about 1024 numbers of each tensor, of two rows or more.
    seed : int
        Moves the sampled positions.
    """
    partners: dict[str, Part] = {}
    doubtful: set[str] = set()
    crowded: list[str] = []
    probed = probes(pairing)
    open_pairs = [pair for pair in pairing.pairs if _is_open(pair) or pair.a.name in probed]
    classes = _classes(pairing, open_pairs, a, b, seed)
    for each in classes:
        with threadpool_limits(limits=1):
            found = match(each.a.vectors, each.b.vectors, least=each.least, now=each.now)
        partners |= {each.ours[i].name: each.theirs[j] for i, j in found.pairs}
        doubtful |= {each.ours[i].name for i in found.doubtful}
        if found.crowded:
            crowded.append("x".join(map(str, each.ours[0].shape)))
    settled = pairing
    if partners:
        partners |= _equal_constants(classes)
        partners |= _followers(pairing, partners, open_pairs)
        partners |= followers(pairing, partners)
        likely = _likely(classes, partners)
        settled = reassigned(pairing, partners, doubtful=doubtful)
        settled = reassigned(settled, likely, basis=PairBasis.SHAPE, doubtful=likely)
    complete = described(_last_resort(settled))
    asked = {part.name for each in classes for part in each.ours} - probed
    return Assigned(pairing=complete, undecided=len(asked - partners.keys()), crowded=tuple(crowded))


def _classes(pairing: Pairing, open_pairs: Sequence[Pair], a: Checkpoint, b: Checkpoint, seed: int) -> list[_Class]:
    """Open tensors by shape, where a shape leaves a choice or tensors without a partner."""
    paired = {pair.a.name: pair.b.name for pair in open_pairs}
    ours = _by_shape([pair.a for pair in open_pairs] + list(pairing.only_a))
    theirs = _by_shape([pair.b for pair in open_pairs] + list(pairing.only_b))
    found: list[_Class] = []
    for shape in sorted(ours.keys() & theirs.keys()):
        left, right = ours[shape], theirs[shape]
        if len(left) == len(right) == 1 and left[0].name in paired:
            continue
        at = {part.name: place for place, part in enumerate(right)}
        sketches = Sketches.of(left, a, seed), Sketches.of(right, b, seed)
        if sketches[0].vectors.shape[1] < FEWEST_NUMBERS:
            continue
        now = [at.get(paired.get(part.name, ""), -1) for part in left]
        found.append(_Class(ours=left, theirs=right, a=sketches[0], b=sketches[1], now=now))
    return found


def _is_open(pair: Pair) -> bool:
    return pair.renamed and pair.basis in _OPEN and pair.a.shape == pair.b.shape


def _by_shape(parts: Sequence[Part]) -> dict[tuple[int, ...], list[Part]]:
    """Tensors of at least 8 real elements by shape, in natural order."""
    classes: dict[tuple[int, ...], list[Part]] = defaultdict(list)
    for part in _in_order(parts):
        if part.info.size >= FEWEST_NUMBERS and not part.info.dtype.startswith("C"):
            classes[part.shape].append(part)
    return classes


def _in_order(parts: Sequence[Part]) -> list[Part]:
    return sorted(parts, key=lambda part: (natural_key(part.name), part.name))


def _equal_constants(classes: Sequence[_Class]) -> dict[str, Part]:
    """Constants pair with equal constants: with their present partner if it is one, else in order."""
    found: dict[str, Part] = {}
    for each in classes:
        free = {j: value for j, value in enumerate(each.b.constants) if value is not None}
        wanted = {i: value for i, value in enumerate(each.a.constants) if value is not None}
        for i, value in sorted(wanted.items(), key=lambda item: free.get(each.now[item[0]]) != item[1]):
            places = [each.now[i], *free] if free.get(each.now[i]) == value else list(free)
            place = next((j for j in places if free.get(j) == value), None)
            if place is not None:
                found[each.ours[i].name] = each.theirs[place]
                del free[place]
    return found


def _followers(pairing: Pairing, partners: Mapping[str, Part], open_pairs: Sequence[Pair]) -> dict[str, Part]:
    """Biases and gains, too short to be told apart by themselves, follow the other tensors of their module."""
    everything = {part.name: part for part in (*(pair.a for pair in pairing.pairs), *pairing.only_a)}
    names = {pair.a.name for pair in open_pairs}
    known = [(pair.a, pair.b) for pair in pairing.pairs if pair.a.name not in names]
    known += [(everything[name], part) for name, part in partners.items()]
    modules = {one.module: other.module for one, other in sorted(known, key=lambda pair: len(pair[0].shape))}
    taken = {part.name for part in partners.values()}
    free = {
        (part.module, part.kind, part.shape): part
        for part in [pair.b for pair in open_pairs] + list(pairing.only_b)
        if part.name not in taken
    }
    found: dict[str, Part] = {}
    for part in [pair.a for pair in open_pairs] + list(pairing.only_a):
        key = (modules.get(part.module, ""), part.kind, part.shape)
        if part.name not in partners and len(part.shape) == 1 and key in free:
            found[part.name] = free.pop(key)
    return found


def _likely(classes: Sequence[_Class], partners: Mapping[str, Part]) -> dict[str, Part]:
    """The closest partners of what is left, where as many tensors of one shape are left on either side."""
    taken = {part.name for part in partners.values()}
    found: dict[str, Part] = {}
    for each in classes:
        rows = [i for i, part in enumerate(each.ours) if part.name not in partners]
        columns = [j for j, part in enumerate(each.theirs) if part.name not in taken]
        if not 0 < len(rows) == len(columns) <= MOST:
            continue
        at = {j: place for place, j in enumerate(columns)}
        now = [at.get(each.now[i], -1) for i in rows]
        with threadpool_limits(limits=1):
            likeness = each.a.closeness(each.b, rows, columns)
        for i, j in likeliest(likeness, now=now):
            found[each.ours[rows[i]].name] = each.theirs[columns[j]]
    return found


def _last_resort(pairing: Pairing) -> Pairing:
    """Pair what is left where one shape has equally many tensors on both sides: in order, and marked as ambiguous."""
    left_a: dict[tuple[int, ...], list[Part]] = defaultdict(list)
    left_b: dict[tuple[int, ...], list[Part]] = defaultdict(list)
    for part in _in_order(pairing.only_a):
        left_a[part.shape].append(part)
    for part in _in_order(pairing.only_b):
        left_b[part.shape].append(part)
    partners = {
        one.name: other
        for shape, parts in left_a.items()
        if len(parts) == len(left_b.get(shape, ()))
        for one, other in zip(parts, left_b[shape], strict=True)
    }
    doubtful = {part.name for parts in left_a.values() if len(parts) > 1 for part in parts}
    return reassigned(pairing, partners, basis=PairBasis.SHAPE, doubtful=doubtful, searched=False)
