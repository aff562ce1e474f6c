"""Which side is the parent, as far as structure tells."""

from __future__ import annotations

from provenance.judgement import Judgement
from provenance.kinds.quantised import explains
from provenance.observation import Observation
from provenance.result import Direction, Kind, Relation


def find_direction(observed: Observation, judgement: Judgement, kinds: tuple[Kind, ...]) -> Direction | None:
    """None unless related; directed where only one way round explains the values.

    For equal weights of two types: the side whose values rounding changes is the parent, unless it holds nothing but
    rounded values, which a later widening leaves as well. A side that is stored in an encoding is the child where the
    other differs from it by nothing but what rounding leaves. A model that lacks layers or units of another, repeats
    its layers, or has several copies of its MLPs, is the child.
    """
    relation = judgement.ruling.relation
    if relation not in (Relation.IDENTICAL, Relation.DERIVED, Relation.COMMON_ORIGIN):
        return None
    if relation is Relation.IDENTICAL:
        lost = {Direction.A_TO_B: 0, Direction.B_TO_A: 0}
        for name in observed.measured:
            lost[Direction.A_TO_B] += observed.equalities[name].lost_a
            lost[Direction.B_TO_A] += observed.equalities[name].lost_b
        rounded_way = [way for way, count in lost.items() if count]
        if len(rounded_way) == 1:
            return rounded_way[0]
    return _by_structure(kinds) or _to_the_encoded(observed) or Direction.UNDIRECTED


def _by_structure(kinds: tuple[Kind, ...]) -> Direction | None:
    """The way to the side that a change of structure makes the child, if all such changes agree."""
    children = {child for kind in kinds if (child := kind.parameters.get("child")) is not None}
    if len(children) != 1:
        return None
    return Direction.A_TO_B if children == {"b"} else Direction.B_TO_A


def _to_the_encoded(observed: Observation) -> Direction | None:
    """The way to the one side that is encoded, if that explains all differences of looked-at tensors."""
    ways = set()
    for name, item in observed.measured.items():
        if observed.equalities[name].identical:
            continue
        encoded = [part.info.encoding is not None for part in (item.pair.a, item.pair.b)]
        if encoded[0] == encoded[1] or not explains(item.pair, item.relative_change):
            return None
        ways.add(Direction.A_TO_B if encoded[1] else Direction.B_TO_A)
    return ways.pop() if len(ways) == 1 else None
