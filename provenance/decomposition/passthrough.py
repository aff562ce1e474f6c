"""Stacked slices (passthrough): each layer is some layer of some parent, unchanged."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fingerprints.anatomy import Anatomy, Part
from fingerprints.checkpoint import Array, Checkpoint
from fingerprints.errors import CheckpointError
from fingerprints.pairing import Pair, PairBasis
from fingerprints.sampling import units
from fingerprints.signals.tensor_digest import full_equality, sampled_equality
from provenance.decomposition.lineup import layer_of

ROWS = 4

Place = tuple[int, int]
"""A parent and a layer of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Where each layer of a model comes from, and each tensor outside of layers (all parents that have it)."""

    layers: Mapping[int, Place]
    outside: Mapping[str, tuple[int, ...]]
    shares: tuple[float, ...]
    """Of the model's learned parameters, by parent."""

    @property
    def slices(self) -> tuple[tuple[int, int, int], ...]:
        """Runs of layers that follow one another in one parent: parent, first layer, layer behind the last."""
        runs: list[tuple[int, int, int]] = []
        for layer in sorted(self.layers):
            parent, origin = self.layers[layer]
            if runs and runs[-1][0] == parent and runs[-1][2] == origin:
                runs[-1] = (parent, runs[-1][1], origin + 1)
            else:
                runs.append((parent, origin, origin + 1))
        return tuple(runs)


class _Sources:
    """The parents' tensors by template and index, and the rows of each that were read."""

    def __init__(self, model: tuple[Anatomy, Checkpoint], parents: Sequence[tuple[Anatomy, Checkpoint]]) -> None:
        self.sides = [model, *parents]
        self.parts = [{(part.template, part.index): part for part in anatomy.parts.values()} for anatomy, _ in parents]
        self.read: dict[tuple[int, str], Array] = {}

    def layers(self, parent: int, names: Mapping[str, str], part: Part) -> list[int]:
        """Layers of a parent that have a counterpart of a part."""
        wanted = names.get(part.template, part.template)
        return sorted({index[0] for template, index in self.parts[parent] if index and template == wanted})

    def equal(self, part: Part, parent: int, other: Part) -> bool:
        """Whether a few rows of a tensor are equal to those of another."""
        if part.shape != other.shape:
            return False
        pair = Pair(a=part, b=other, basis=PairBasis.SHAPE)
        try:
            return sampled_equality(pair, self._rows(0, part), self._rows(parent + 1, other)).identical
        except CheckpointError:
            return False

    def wholly_equal(self, part: Part, parent: int, other: Part) -> bool:
        """Whether every value is."""
        try:
            pair = Pair(a=part, b=other, basis=PairBasis.SHAPE)
            return full_equality(pair, self.sides[0][1], self.sides[parent + 1][1]).identical
        except CheckpointError:
            return False

    def _rows(self, side: int, part: Part) -> Array:
        key = (side, part.name)
        if key not in self.read:
            length = part.shape[0] if part.shape else 1
            rows = np.arange(length) if len(part.shape) < 2 else units(length, ROWS)[:ROWS]
            self.read[key] = self.sides[side][1].take(part.name, rows)
        return self.read[key]


def find_stack(
    model: tuple[Anatomy, Checkpoint],
    learned: Mapping[str, int],
    parents: Sequence[tuple[Anatomy, Checkpoint]],
    names: Sequence[Mapping[str, str]],
    *,
    whole: bool,
) -> Stack | None:
    """Where every learned tensor of a model comes from.

    Parameters
    ----------
    model : pair
        Anatomy and checkpoint.
    learned : mapping
        The model's learned tensors with their sizes.
    parents : sequence of pairs
        The same of each parent.
    names : sequence of mapping
        For each parent what it calls the model's templates.
    whole : bool
        Compare every value of what a few rows suggest.

    Returns
    -------
    Stack or None
        None where some tensor is no parent's.
    """
    sources = _Sources(model, parents)
    layers: dict[int, list[Part]] = defaultdict(list)
    outside: dict[str, tuple[int, ...]] = {}
    for name in learned:
        part = model[0].parts[name]
        layer = layer_of(part)
        if layer is not None:
            layers[layer].append(part)
            continue
        found = [
            parent
            for parent in range(len(parents))
            if (other := _other(sources, names, part, parent, None)) is not None
            and sources.equal(part, parent, other)
            and (not whole or sources.wholly_equal(part, parent, other))
        ]
        if not found:
            return None
        outside[name] = tuple(found)
    origins: dict[int, Place] = {}
    for layer in sorted(layers):
        places = _origins(sources, names, layers[layer], len(parents))
        if whole:
            places = [place for place in places if _whole(sources, names, layers[layer], place)]
        if not places:
            return None
        origins[layer] = _likeliest(places, layer, origins.get(layer - 1))
    if not origins:
        return None
    sizes: Counter[int] = Counter()
    for layer, parts in layers.items():
        sizes[origins[layer][0]] += sum(learned[part.name] for part in parts)
    for name, owners in outside.items():
        sizes[max(owners, key=lambda parent: (sizes[parent], -parent))] += learned[name]
    total = sum(sizes.values())
    shares = tuple(sizes[parent] / total for parent in range(len(parents)))
    return Stack(layers=origins, outside=outside, shares=shares)


def _origins(sources: _Sources, names: Sequence[Mapping[str, str]], parts: Sequence[Part], count: int) -> list[Place]:
    """Layers of parents that equal all parts of a layer, in the rows that are looked at."""
    first, *rest = sorted(parts, key=lambda part: (-part.info.size, part.name))
    places = [(parent, layer) for parent in range(count) for layer in sources.layers(parent, names[parent], first)]
    for part in (first, *rest):
        kept = []
        for parent, layer in places:
            other = _other(sources, names, part, parent, layer)
            if other is not None and sources.equal(part, parent, other):
                kept.append((parent, layer))
        places = kept
        if not places:
            break
    return places


def _whole(sources: _Sources, names: Sequence[Mapping[str, str]], parts: Sequence[Part], place: Place) -> bool:
    others = [(part, _other(sources, names, part, *place)) for part in parts]
    return all(other is not None and sources.wholly_equal(part, place[0], other) for part, other in others)


def _other(
    sources: _Sources, names: Sequence[Mapping[str, str]], part: Part, parent: int, layer: int | None
) -> Part | None:
    """The part of a parent that stands at another layer where one of the model stands at its own."""
    index = part.index if layer is None else (layer, *part.index[1:])
    return sources.parts[parent].get((names[parent].get(part.template, part.template), index))


def _likeliest(places: Sequence[Place], layer: int, before: Place | None) -> Place:
    """Of equal layers the one that continues the slice, then the one at the same depth."""

    def rank(place: Place) -> tuple[bool, bool, int, int]:
        follows = before is not None and place == (before[0], before[1] + 1)
        return (not follows, place[1] != layer, place[0], place[1])

    return min(places, key=rank)
