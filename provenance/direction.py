"""Which side is the parent, as far as structure tells."""

from __future__ import annotations

from provenance.judgement import Judgement
from provenance.observation import Observation
from provenance.result import Direction, Relation


def find_direction(observed: Observation, judgement: Judgement) -> Direction | None:
    """None unless related; directed where only one way round explains the values.

    For equal weights of two types: the side whose values rounding changes is the parent, unless it holds nothing but
    rounded values, which a later widening leaves as well.
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
    return Direction.UNDIRECTED
