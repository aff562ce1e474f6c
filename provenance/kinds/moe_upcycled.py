"""Kinds `moe_upcycled`: the experts of one side are copies of the other's dense MLPs; and `experts_merged`: the dense
MLPs of one side are mixtures of the other's experts.
"""

from __future__ import annotations

from collections.abc import Iterator

from fingerprints.alignment.tower_map import UnitMap
from provenance.judgement import Judgement
from provenance.kinds.width import place, shown
from provenance.observation import Observation
from provenance.result import Kind, Relation


def find(observed: Observation, judgement: Judgement) -> Kind | None:
    """Experts that match a dense MLP, in the layers where they do."""
    if judgement.ruling.relation is not Relation.DERIVED or observed.alignment is None:
        return None
    upcycled = {
        layers: experts
        for tower in observed.alignment.towers
        for layers, experts in tower.experts.items()
        if bool(experts.experts_a) != bool(experts.experts_b) and experts.pairs
    }
    if not upcycled:
        return None
    sparse = "b" if next(iter(upcycled.values())).experts_b else "a"
    matched = {layers[sparse == "b"]: len(experts.pairs) for layers, experts in upcycled.items()}
    is_merged = 2 * sum(experts.mixed for experts in upcycled.values()) > len(upcycled)
    most = max(max(experts.experts_a, experts.experts_b) for experts in upcycled.values())
    return Kind(
        kind="experts_merged" if is_merged else "moe_upcycled",
        parameters={
            "experts": most,
            "matched": {str(layer): count for layer, count in sorted(matched.items())},
            "axes": [shown(place(units), units.map) for units in _narrower(observed)],
            "child": ("a" if sparse == "b" else "b") if is_merged else sparse,
        },
        evidence=f"in {len(matched)} layers of {sparse.upper()} up to {max(matched.values())} of {most} experts match "
        "the dense MLP of the other side" + (", which is a mixture of them" if is_merged else ""),
    )


def _narrower(observed: Observation) -> Iterator[UnitMap]:
    """Neurons of experts that hold other numbers of them than the dense MLP does."""
    for tower in observed.alignment.towers if observed.alignment is not None else ():
        for units in tower.units:
            of_dense = (units.experts[0] is None) != (units.experts[1] is None)
            if of_dense and units.map.units_a != units.map.units_b:
                yield units
