"""Kind `noise_added`: the change is white, and has nothing to do with the weights."""

from __future__ import annotations

import numpy as np

from provenance.judgement import Judgement
from provenance.observation import Observation
from provenance.operations import Operation, explained, share
from provenance.result import Kind, Relation, rounded
from provenance.thresholds import thresholds


def find(observed: Observation, judgement: Judgement) -> Kind | None:
    """Noise in most of the changed matrices: no direction stands out, and the noisier side is the larger one."""
    if judgement.ruling.relation is not Relation.DERIVED:
        return None
    items = explained(observed)
    if share(items, Operation.NOISE) < thresholds().operation_share:
        return None
    noisy = [item.change for item in items if Operation.NOISE in item.operations]
    child = "b" if all(change.growth > 0 for change in noisy) else "a" if all(c.growth < 0 for c in noisy) else None
    change = rounded(float(np.median([each.survivors for each in noisy])))
    return Kind(
        kind="noise_added",
        parameters={"relative_change": change, "child": child},
        evidence=f"in {len(noisy)} of {len(items)} changed matrices no direction of the change stands out of noise of "
        f"{change:.3g} of their norm",
    )
