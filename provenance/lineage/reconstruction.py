"""From pairs to a lineage: the shortest tree through each family, with arrows where structure gives one.

Squared distances add up along a lineage, for changes made independently of one another are nearly at right angles; the
spanning tree of least total distance therefore keeps each model next to its parent. Training on the same text bends
that rule, so that pairs which one plain operation explains (an adapter, a grid, a mask) count as somewhat shorter: such
a change does not survive a detour over a sibling. A model on the straight line between two others, which a fourth sees
in different directions, is a merge of those two. An edge has an arrow where the change itself tells which way it went.
A model that is no merge has one parent: of several arrows into it the shortest counts, and turns its other edges
outward.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from provenance.lineage.graph import Edge, Graph, Node
from provenance.lineage.pair import Pair
from provenance.result import Direction, Relation

OPPOSITE: Final = -0.9
"""Cosine at a model from which on it lies between two others. Training that went on comes nowhere near."""
APART: Final = 0.6
"""Cosine up to which two changes went different ways."""
TRAINED: Final = frozenset({"fine_tune", "continued_pretraining"})
"""Kinds that change everything, and in no way of their own."""
PACKAGING: Final = frozenset({"renamed", "resharded", "container", "dtype_cast"})
PLAIN: Final = 0.75
"""What the distance of a pair that a plain operation explains is multiplied by: changes that lean towards one another
by a cosine of .5 shorten the distance of siblings by as much."""
NEAR: Final = 0.3
"""Of the distance between two parents, what both must be away from the model that they are seen from."""

MOST_LINES: Final = 64
"""Lines through a model that are looked at, the straightest first."""

_Key = frozenset[str]


def reconstruct(models: Collection[str], pairs: Sequence[Pair]) -> Graph:
    """The lineage of `models`.

    Parameters
    ----------
    models : collection of str
        Names.
    pairs : sequence of Pair
        Those that were compared; a pair that is missing is taken for unrelated.
    """
    names = _folded(models, pairs)
    known: dict[_Key, Pair] = {}
    for pair in sorted(pairs, key=lambda pair: len(pair.kinds)):
        a, b = names[pair.a], names[pair.b]
        key = frozenset((a, b))
        # Duplicates are compared with others as often as there are of them: the pair with least packaging counts.
        if pair.is_shared and a != b and key not in known:
            known[key] = replace(pair, a=a, b=b)
    merges = _merges(known)
    parents = {child: both for child, both in merges.items() if not _circular(child, merges)}
    tree = _spanning(known, without=parents)
    edges = [_edge(known[key], directed=None) for key in tree]
    edges = _oriented(edges, merges=parents)
    edges += [
        replace(_edge(known[frozenset((parent, child))], directed=child), kinds=("merged",))
        for child, both in parents.items()
        for parent in sorted(both)
    ]
    duplicates = defaultdict(list)
    for name, first in names.items():
        if name != first:
            duplicates[first].append(name)
    return Graph(
        nodes=tuple(Node(name=name, duplicates=tuple(sorted(duplicates[name]))) for name in sorted({*names.values()})),
        edges=tuple(sorted(edges, key=lambda edge: (edge.a, edge.b))),
    )


def _folded(models: Collection[str], pairs: Sequence[Pair]) -> Mapping[str, str]:
    """For each model the first of those that are identical to it."""
    equal = _Sets(models)
    for pair in pairs:
        if pair.relation is Relation.IDENTICAL:
            equal.join(pair.a, pair.b)
    return {name: equal.first(name) for name in sorted(models)}


def _merges(known: Mapping[_Key, Pair]) -> Mapping[str, _Key]:
    """Models that lie on the line between two others, and those two."""
    names = sorted({name for key in known for name in key})
    place = {name: number for number, name in enumerate(names)}
    apart = np.full((len(names), len(names)), np.inf)
    for key, pair in known.items():
        if pair.distance is not None:
            a, b = (place[name] for name in key)
            apart[a, b] = apart[b, a] = pair.distance
    merges: dict[str, _Key] = {}
    for child in range(len(names)):
        found = _line_through(child, apart)
        if found is not None:
            merges[names[child]] = frozenset(names[each] for each in found)
    return merges


def _line_through(child: int, apart: np.ndarray) -> tuple[int, int] | None:
    """The two models on whose line `child` lies most nearly, if another one sees them in different directions."""
    near = np.flatnonzero(np.isfinite(apart[child]))
    if len(near) < 2:
        return None
    cosines = _cosines(apart[child, near][:, None], apart[child, near][None, :], apart[np.ix_(near, near)])
    cosines[np.tril_indices(len(near))] = 1.0
    order = np.argsort(cosines, axis=None, kind="stable")
    for flat in order[: min(MOST_LINES, int((cosines <= OPPOSITE).sum()))]:
        x, y = (int(near[each]) for each in np.unravel_index(flat, cosines.shape))
        seen = np.abs(_cosines(apart[:, x], apart[:, y], apart[x, y])) <= APART
        seen &= np.minimum(apart[:, x], apart[:, y]) >= NEAR**2 * apart[x, y]
        seen[[child, x, y]] = False
        if seen.any():
            return x, y
    return None


def _circular(child: str, merges: Mapping[str, _Key]) -> bool:
    """Whether a merge descends from itself by way of other merges."""
    seen: set[str] = set()
    waiting = set(merges[child])
    while waiting:
        name = waiting.pop()
        if name == child:
            return True
        if name not in seen:
            seen.add(name)
            waiting |= merges.get(name, frozenset())
    return False


def _spanning(known: Mapping[_Key, Pair], *, without: Collection[str]) -> list[_Key]:
    """Kruskal's algorithm: the edges of the shortest trees, but for models whose parents are known."""

    def length(key: _Key) -> tuple[float, list[str]]:
        return _length(known[key]), sorted(key)

    kept = _one_parent_each([key for key in known if not key & set(without)], known)
    order = sorted(kept, key=length)
    sets = _Sets({name for key in order for name in key})
    return [key for key in order if sets.join(*sorted(key))]


def _one_parent_each(keys: Sequence[_Key], known: Mapping[_Key, Pair]) -> list[_Key]:
    """All pairs but those whose arrow ends where a shorter one does: a relative of the parent also leads there."""
    nearest: dict[str, _Key] = {}
    for key in sorted(keys, key=lambda key: (_length(known[key]), sorted(key))):
        edge = _edge(known[key], directed=None)
        if edge.directed:
            nearest.setdefault(edge.b, key)
    return [key for key in keys if not (edge := _edge(known[key], directed=None)).directed or nearest[edge.b] == key]


def _length(pair: Pair) -> float:
    if pair.distance is None:
        return math.inf
    operations = set(pair.kinds) - PACKAGING
    return pair.distance * (PLAIN if operations and not operations & TRAINED else 1.0)


def _oriented(edges: Sequence[Edge], *, merges: Collection[str]) -> list[Edge]:
    """Arrows where the pair has one, nearest first, and where those imply one."""
    parent: dict[str, str] = {}
    arrows: dict[_Key, Edge] = {}
    around: defaultdict[str, list[Edge]] = defaultdict(list)
    for edge in edges:
        around[edge.a].append(edge)
        around[edge.b].append(edge)

    def settle(edge: Edge, child: str) -> None:
        """Point `edge` at `child`, and everything else at `child` away from it, and so on outward."""
        waiting = [(edge, child)]
        while waiting:
            one, end = waiting.pop()
            key = frozenset((one.a, one.b))
            (start,) = key - {end}
            if key in arrows or end in parent:
                continue
            parent[end] = start
            arrows[key] = replace(one, a=start, b=end, directed=True)
            waiting += [(other, next(iter({other.a, other.b} - {end}))) for other in around[end] if other is not one]

    own = [edge for edge in edges if edge.directed and edge.b not in merges]
    for edge in sorted(own, key=lambda edge: (edge.distance or 0.0, edge.a, edge.b)):
        settle(edge, edge.b)
    return [arrows.get(frozenset((edge.a, edge.b)), replace(edge, directed=False)) for edge in edges]


def _edge(pair: Pair, *, directed: str | None) -> Edge:
    """An edge from a pair: into `directed`, or as the pair has it."""
    backward = pair.direction is Direction.B_TO_A if directed is None else pair.a == directed
    a, b = (pair.b, pair.a) if backward else (pair.a, pair.b)
    arrow = directed is not None or pair.direction in (Direction.A_TO_B, Direction.B_TO_A)
    return Edge(a=a, b=b, directed=arrow, kinds=pair.kinds, distance=pair.distance, log10_p=pair.log10_p)


def _cosines(one: np.ndarray, other: np.ndarray, opposite: np.ndarray) -> np.ndarray:
    """Of the angles between sides of these squared lengths, `opposite` facing them; 1 where a side is not known."""
    one, other, opposite = np.broadcast_arrays(one, other, opposite)
    cosines = np.ones(one.shape)
    known = np.isfinite(one) & np.isfinite(other) & np.isfinite(opposite) & (one > 0.0) & (other > 0.0)
    cosines[known] = (one[known] + other[known] - opposite[known]) / (2.0 * np.sqrt(one[known] * other[known]))
    return cosines


class _Sets:
    """Disjoint sets of names."""

    def __init__(self, names: Collection[str]) -> None:
        self._above = {name: name for name in names}

    def first(self, name: str) -> str:
        """The least name of the set that `name` is in."""
        while self._above[name] != name:
            self._above[name] = self._above[self._above[name]]
            name = self._above[name]
        return name

    def join(self, one: str, other: str) -> bool:
        """Make two sets one; False when they were one already."""
        low, high = sorted((self.first(one), self.first(other)))
        self._above[high] = low
        return low != high
