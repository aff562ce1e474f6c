"""From pairs to a lineage: for every model the parents from which it takes least to be written.

What a child costs beside a parent is `cost`'s to say; `descent` finds the parents of all models together. Models with
several parents come first: those that lie between others (`mixtures`), and those that were put together from parts of
others (`assembled`). An edge has an arrow where the change itself tells which way it went. A model that is no merge has
one parent: of several arrows into it the shortest counts, and turns its other edges outward.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from provenance.lineage.assembled import ASSEMBLED, find_assembled
from provenance.lineage.centres import centres_of
from provenance.lineage.cost import lengths
from provenance.lineage.descent import arcs_of, shortest_descent, without_detours
from provenance.lineage.graph import Edge, Graph, Node
from provenance.lineage.mixtures import find_mixtures
from provenance.lineage.pair import Pair
from provenance.result import Direction, Relation

_Key = frozenset[str]


def reconstruct(
    models: Collection[str], pairs: Sequence[Pair], merges: Mapping[str, Collection[str]] | None = None
) -> Graph:
    """The lineage of `models`.

    Parameters
    ----------
    models : collection of str
        Names.
    pairs : sequence of Pair
        Those that were compared; a pair that is missing is taken for unrelated.
    merges : mapping, optional
        Merges whose parents are known already.
    """
    names = folded(models, pairs)
    known = related_pairs(pairs, names)
    told = {names[child]: frozenset(names[each] for each in both) for child, both in (merges or {}).items()}
    found = {**find_mixtures(known), **told}
    found = {**find_assembled(known, found), **found}
    parents = {child: both for child, both in found.items() if not _circular(child, found)}
    arcs = arcs_of(known)
    tree = without_detours(shortest_descent(arcs, centres_of(known), without=parents), known, arcs)
    edges = [_edge(known[frozenset(arc)], directed=None) for arc in tree]
    edges = _oriented(edges, merges=parents)
    edges += [
        _into(known[frozenset((parent, child))], child) for child, both in parents.items() for parent in sorted(both)
    ]
    duplicates = defaultdict(list)
    for name, first in names.items():
        if name != first:
            duplicates[first].append(name)
    return Graph(
        nodes=tuple(Node(name=name, duplicates=tuple(sorted(duplicates[name]))) for name in sorted({*names.values()})),
        edges=tuple(sorted(edges, key=lambda edge: (edge.a, edge.b))),
    )


def related_pairs(pairs: Sequence[Pair], names: Mapping[str, str]) -> dict[_Key, Pair]:
    """Related pairs of models under the names of their weights, the one with least between them of several."""
    known: dict[_Key, Pair] = {}
    for pair in sorted(pairs, key=lambda pair: (sum(lengths(pair)), len(pair.kinds))):
        a, b = names[pair.a], names[pair.b]
        key = frozenset((a, b))
        # Duplicates are compared with others as often as there are of them: the pair with least packaging counts.
        if pair.is_shared and a != b and key not in known:
            known[key] = replace(pair, a=a, b=b)
    return known


def folded(models: Collection[str], pairs: Sequence[Pair]) -> Mapping[str, str]:
    """For each model the first of those that are identical to it."""
    equal = _Sets(models)
    for pair in pairs:
        if pair.relation is Relation.IDENTICAL:
            equal.join(pair.a, pair.b)
    return {name: equal.first(name) for name in sorted(models)}


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


def _into(pair: Pair, child: str) -> Edge:
    """An edge from one of several parents; between whole models it says that they were merged."""
    edge = _edge(pair, directed=child)
    return edge if set(edge.kinds) & ASSEMBLED else replace(edge, kinds=("merged",))


def _edge(pair: Pair, *, directed: str | None) -> Edge:
    """An edge from a pair: into `directed`, or as the pair has it."""
    backward = pair.direction is Direction.B_TO_A if directed is None else pair.a == directed
    a, b = (pair.b, pair.a) if backward else (pair.a, pair.b)
    arrow = directed is not None or pair.direction in (Direction.A_TO_B, Direction.B_TO_A)
    return Edge(a=a, b=b, directed=arrow, kinds=pair.kinds, distance=pair.distance, log10_p=pair.log10_p)


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
