"""Which layer of one model is which layer of the other, from how alike they are.

Layers of the deeper side (of equally deep ones: of the side that then leaves less open) are placed one after the other
in the shallower one by dynamic programming: going on to the next layer is free, a jump (a dropped layer, a repetition,
the overlap of a depth up-scaled model, a reversed order) costs a little, having no counterpart is worth what an
unrelated layer may reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fingerprints.alignment.layer_sketch import Floats

FLOOR = 0.08
"""Likeness under which no layer has a counterpart."""
SHARE = 0.5
"""Of the typical likeness of matched layers: less is no counterpart."""
REPEATED = 0.65
"""Of the likeness of a layer's best counterpart, for another one to repeat it."""
JUMP = 0.1
"""What a jump costs, as a share of the typical likeness."""
NOBODY = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerMap:
    """Layers that stand for one another, by their numbers in the names; a layer may have several counterparts.

    `scores` gives the likeness of each pair in the half of the units that the search saw.
    """

    pairs: tuple[tuple[int, int], ...]
    depth_a: int
    depth_b: int
    scores: Mapping[tuple[int, int], float]

    @property
    def is_identity(self) -> bool:
        """Whether both have the same layers in the same order."""
        return (
            self.depth_a == self.depth_b == len(self.pairs)
            and [a for a, _ in self.pairs] == sorted({a for a, _ in self.pairs})
            and [b for _, b in self.pairs] == sorted({b for _, b in self.pairs})
        )

    @property
    def in_order(self) -> bool:
        """Whether the layers that have a counterpart come in one order on both sides, each once."""
        return all(a < other_a and b < other_b for (a, b), (other_a, other_b) in pairwise(self.pairs))

    def of_b(self) -> tuple[tuple[int, ...], ...]:
        """For each layer of B in order that has any, its layers of A."""
        return tuple(tuple(a for a, other in self.pairs if other == b) for b in sorted({b for _, b in self.pairs}))


def find_layer_map(likeness: Floats, layers_a: list[int], layers_b: list[int]) -> LayerMap | None:
    """The most plausible map; None where no layer has a counterpart.

    Parameters
    ----------
    likeness : ndarray, shape (layers of A, layers of B)
        See `layer_sketch.likeness`.
    layers_a, layers_b : list of int
        Their numbers.
    """
    found: list[list[tuple[int, int]]] = []
    if likeness.shape[1] >= likeness.shape[0]:
        found.append([(inner, outer) for outer, inner in enumerate(_placed(likeness.T)) if inner != NOBODY])
    if likeness.shape[0] >= likeness.shape[1]:
        found.append([(outer, inner) for outer, inner in enumerate(_placed(likeness)) if inner != NOBODY])
    places = max(found, key=lambda pairs: sum(float(likeness[pair]) for pair in pairs))
    if not places:
        return None
    return LayerMap(
        pairs=tuple(sorted((layers_a[i], layers_b[j]) for i, j in places)),
        depth_a=len(layers_a),
        depth_b=len(layers_b),
        scores={(layers_a[i], layers_b[j]): float(likeness[i, j]) for i, j in places},
    )


def _placed(table: Floats) -> list[int]:
    """For each row (layer of the deeper side) its column, or NOBODY."""
    outer, inner = table.shape
    typical = float(np.median(table.max(axis=0))) if table.size else 0.0
    if typical < FLOOR:
        return [NOBODY] * outer
    nobody, jump = max(FLOOR, SHARE * typical), JUMP * typical
    emission = np.concatenate([table, np.full((outer, 1), nobody)], axis=1)
    moves = np.full((inner + 1, inner + 1), -jump)
    moves[np.arange(inner - 1), np.arange(1, inner)] = 0.0
    moves[:, inner] = moves[inner, :] = 0.0
    best, came = emission[0].copy(), np.zeros((outer, inner + 1), dtype=np.int64)
    for row in range(1, outer):
        total = best[:, None] + moves
        came[row] = total.argmax(axis=0)
        best = total.max(axis=0) + emission[row]
    place = int(best.argmax())
    path = [place]
    for row in range(outer - 1, 0, -1):
        place = int(came[row, place])
        path.append(place)
    found = [NOBODY if place == inner else place for place in reversed(path)]
    best = {place: max(table[row, place] for row, other in enumerate(found) if other == place) for place in set(found)}
    return [
        NOBODY if place == NOBODY or table[row, place] < REPEATED * best[place] else place
        for row, place in enumerate(found)
    ]
