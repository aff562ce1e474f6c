"""Layers that are numbered otherwise: from 1 or from 100, or with every second number only.

Where a stack of one side has as many layers as its namesake of the other (as some stack, where it has none), its layers
are told by their rank, else by their number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fingerprints.anatomy import Anatomy, Part
from fingerprints.templates import Index, pieces


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbering:
    """Ranks of the layers of one side: of stacks, by the path in front of their number, and of towers."""

    stacks: Mapping[str, Mapping[int, int]]
    towers: Mapping[str, Mapping[int, int]]

    def index(self, part: Part) -> Index:
        """The part's numbers, the first as the rank of its layer where ranks are what counts."""
        ranks = self.stacks.get(_stack(part)) if part.index else None
        return (ranks[part.index[0]], *part.index[1:]) if ranks else part.index

    def layer(self, part: Part) -> int | None:
        """The part's layer in its tower, as a rank where ranks are what counts."""
        ranks = self.towers.get(part.tower)
        return ranks[part.layer] if ranks and part.layer is not None else part.layer


def numberings(a: Anatomy, b: Anatomy) -> tuple[Numbering, Numbering]:
    """How the layers of two sides are to be told.

    Parameters
    ----------
    a, b : Anatomy
        The two sides.
    """
    stacks = _stacks(a.parts.values()), _stacks(b.parts.values())
    towers = tuple({path: tower.layers for path, tower in side.towers.items()} for side in (a, b))
    ranked_stacks = _ranks(stacks[0], stacks[1]), _ranks(stacks[1], stacks[0])
    ranked_towers = _ranks(towers[0], towers[1]), _ranks(towers[1], towers[0])
    one, other = (
        Numbering(stacks=by_stack, towers=by_tower)
        for by_stack, by_tower in zip(ranked_stacks, ranked_towers, strict=True)
    )
    return one, other


def _stack(part: Part) -> str:
    return pieces(part.template)[0]


def _stacks(parts: Iterable[Part]) -> dict[str, list[int]]:
    numbers: dict[str, set[int]] = defaultdict(set)
    for part in parts:
        if part.index:
            numbers[_stack(part)].add(part.index[0])
    return {path: sorted(found) for path, found in numbers.items()}


def _ranks(mine: Mapping[str, Sequence[int]], others: Mapping[str, Sequence[int]]) -> dict[str, dict[int, int]]:
    """Ranks in the stacks that are as deep as their namesake of the other side, or as some stack if there is none."""
    depths = {len(numbers) for numbers in others.values()}
    return {
        path: {number: rank for rank, number in enumerate(sorted(numbers))}
        for path, numbers in mine.items()
        if len(numbers) in ({len(others[path])} if path in others else depths)
    }
