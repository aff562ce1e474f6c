"""The lineage that leaves least to be written: a parent for every model but the roots (Edmonds' algorithm)."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

from provenance.identification.geometry import RIGHT_ANGLE
from provenance.lineage.centres import centres_of
from provenance.lineage.cost import PLAIN, WHOLE, lengths
from provenance.lineage.pair import Pair
from provenance.result import Direction

CENTRAL: Final = 1e-3
"""Weight of what a parent lacks of its family's centre, and has beyond its child, where two explain it alike: a masked
or rounded copy leads to another as the whole does, and the whole is more likely to be passed on."""

LOSSY: Final = 3.0
"""How many times as much must be written one way as the other for the way to be none, and, of all values, how many must
be missing."""
LOST: Final = 0.05
SURE: Final = 0.2
"""Of the cosine at the parent, what the cosine at a sibling may be for that to be the parent."""
DEVIATIONS: Final = 3.0
"""Standard deviations of a cosine of independent changes that count as a right angle."""

_Key = frozenset[str]
Arc = tuple[str, str]
_ROOT: Final = ""


def arcs_of(known: Mapping[_Key, Pair]) -> dict[Arc, float]:
    """Nats to write down a child by a parent, for all pairs and both ways but those that a change of structure rules
    out.
    """
    plain: dict[Arc, float] = {}
    beyond: dict[Arc, float] = {}
    for pair in known.values():
        forth, back = lengths(pair)
        plain[pair.a, pair.b], plain[pair.b, pair.a] = forth, back
        beyond[pair.a, pair.b], beyond[pair.b, pair.a] = (WHOLE * each for each in pair.alone)
    centre = {name: middle for middle, others in centres_of(known).items() for name in others}
    lost = {name: plain[name, centre[name]] if name in centre else 0.0 for name in {parent for parent, _ in plain}}
    weighed = {
        (parent, child): length + CENTRAL * (lost[parent] + beyond[parent, child])
        for (parent, child), length in plain.items()
    }
    for pair in known.values():
        if pair.direction in (Direction.A_TO_B, Direction.B_TO_A):
            weighed.pop((pair.b, pair.a) if pair.direction is Direction.A_TO_B else (pair.a, pair.b), None)
        elif pair.changes:
            # Zeros do not become what they were before.
            forth, back = lengths(replace(pair, alone=(0, 0)))
            least = LOST * WHOLE * sum(change.size for change in pair.changes)
            if max(forth, back) > LOSSY * min(forth, back) + least:
                weighed.pop((pair.a, pair.b) if forth > back else (pair.b, pair.a), None)
    return weighed


def shortest_descent(
    arcs: Mapping[Arc, float], centres: Collection[str] = (), without: Collection[str] = ()
) -> list[Arc]:
    """Parent and child of every edge of the cheapest forest; a root costs more than any edge.

    Parameters
    ----------
    arcs : mapping
        Nats by parent and child.
    centres : collection of str
        Models that are the likeliest roots.
    without : collection of str
        Models whose parents are known already, and that are nobody's parent here.
    """
    import networkx as nx  # Takes a while to load, and few commands draw lineages.

    kept = {arc: length for arc, length in sorted(arcs.items()) if math.isfinite(length) and not {*arc} & {*without}}
    if not kept:
        return []
    graph = nx.DiGraph()
    # Where nothing says which way a lineage goes, it goes outward from the centre.
    root = 1.0 + sum(kept.values())
    for name in sorted({name for arc in kept for name in arc}):
        graph.add_edge(_ROOT, name, weight=root if name in centres else root + CENTRAL * max(kept.values()))
    for (parent, child), length in kept.items():
        graph.add_edge(parent, child, weight=length)
    found = nx.minimum_spanning_arborescence(graph)
    return sorted((parent, child) for parent, child in found.edges if parent != _ROOT)


def without_detours(tree: Sequence[Arc], known: Mapping[_Key, Pair], arcs: Mapping[Arc, float]) -> list[Arc]:
    """The same, with children of a sibling given back to its parent where they only lean towards that.

    Training on the same text, or by the same recipe, turns changes of one parent towards each other, and so brings
    siblings nearer to one another than to it. What was trained from the sibling leaves it at a right angle to the way
    that it had come; what only leans towards it does not.
    """
    parent = {child: start for start, child in tree}
    order = sorted(tree, key=lambda arc: (_depth(arc[1], parent), arc))
    for start, child in order:
        above = parent.get(start)
        if above is not None and _is_detour(above, parent[child], child, known, arcs):
            parent[child] = above
    return sorted((start, child) for child, start in parent.items())


def _is_detour(above: str, sibling: str, child: str, known: Mapping[_Key, Pair], arcs: Mapping[Arc, float]) -> bool:
    sides = [known.get(frozenset(ends)) for ends in ((above, sibling), (sibling, child), (above, child))]
    if (above, child) not in arcs or any(side is None or side.distance is None or side.transforms for side in sides):
        return False
    direct, other = sides[2], sides[1]
    values = sum(change.size * change.forth.moved for change in direct.changes) if direct and direct.changes else 1.0
    if _plain(direct, child) - _plain(other, child) > values * 0.5 * math.log(1.0 / PLAIN):
        return False
    first, second, whole = (side.distance or 0.0 for side in sides if side is not None)
    if min(first, second, whole) <= 0.0:
        return False
    there = abs(first + second - whole) / (2.0 * math.sqrt(first * second))
    here = abs(first + whole - second) / (2.0 * math.sqrt(first * whole))
    chance = DEVIATIONS / math.sqrt(values)
    return there > (max(chance, SURE * here) if direct and direct.changes else RIGHT_ANGLE)


def _plain(pair: Pair | None, child: str) -> float:
    """Nats to write down the child, however many operations led to it."""
    if pair is None:
        return math.inf
    forth, back = lengths(replace(pair, kinds=("fine_tune",)))
    return forth if pair.b == child else back


def _depth(name: str, parent: Mapping[str, str]) -> int:
    depth = 0
    while name in parent:
        name, depth = parent[name], depth + 1
    return depth
