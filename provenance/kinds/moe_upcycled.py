"""Kind `moe_upcycled`: the experts of one side are copies of the other's dense MLPs."""

from __future__ import annotations

from provenance.judgement import Judgement
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
    child = "b" if next(iter(upcycled.values())).experts_b else "a"
    matched = {layers[child == "b"]: len(experts.pairs) for layers, experts in upcycled.items()}
    most = max(max(experts.experts_a, experts.experts_b) for experts in upcycled.values())
    return Kind(
        kind="moe_upcycled",
        parameters={
            "experts": most,
            "matched": {str(layer): count for layer, count in sorted(matched.items())},
            "child": child,
        },
        evidence=f"in {len(matched)} layers of {child.upper()} up to {max(matched.values())} of {most} experts match "
        "the dense MLP of the other side",
    )
