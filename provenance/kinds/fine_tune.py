"""Kinds `fine_tune` and `continued_pretraining`: trained on from the same weights, in most directions at once.

Claimed for derived pairs whose change is of full rank; which of the two is a matter of how far it went.
"""

from __future__ import annotations

from provenance.judgement import Judgement
from provenance.kinds.quantised import ARITHMETIC, explains
from provenance.medians import weighted_median
from provenance.observation import Observation
from provenance.operations import Operation, adapter_rank, explained, share, stored_rounding
from provenance.result import Kind, Relation, rounded
from provenance.thresholds import thresholds
from provenance.trivial_changes import trivially_changed


def find(observed: Observation, judgement: Judgement) -> Kind | None:
    """Training on, with the relative change and the share of parameters that it left untouched."""
    limits = thresholds()
    towers = observed.alignment.towers if observed.alignment is not None else ()
    recomputed = observed.undone is not None or any(units.factors for tower in towers for units in tower.units)
    trivial = trivially_changed(observed)
    changed = [
        item
        for name, item in sorted(observed.measured.items())
        if name in observed.dependent_tensors
        and name not in observed.equal_tensors
        and name not in trivial
        and not explains(item.pair, item.relative_change)
        and not (recomputed and item.relative_change <= stored_rounding(item.pair, observed) + ARITHMETIC)
    ]
    effect = judgement.strength.effect
    if judgement.ruling.relation is not Relation.DERIVED or not changed or effect is None:
        return None
    items = explained(observed)
    trained = {Operation.FULL} if adapter_rank(items) is not None else {Operation.FULL, Operation.LOW_RANK}
    if sum(share(items, operation) for operation in trained) < limits.trained_share:
        return None
    directions = sorted(item.change.spectrum.share for item in items if trained & item.operations)
    looked_at = sum(item.pair.a.info.size for item in observed.measured.values())
    untouched = sum(observed.pair_of[name].a.info.size for name in observed.equal_tensors)
    change = weighted_median([(rounded(item.relative_change), item.pair.a.info.size) for item in changed])
    return Kind(
        kind="fine_tune" if effect >= limits.fine_tune_effect else "continued_pretraining",
        parameters={"relative_change": change, "untouched_share": rounded(untouched / looked_at)},
        evidence=f"{len(changed)} of {len(observed.measured)} learned tensors changed, by a median of {change:.3g} of "
        f"their norm; {directions[len(directions) // 2]:.0%} of the directions hold 99 % of the change",
    )
