"""Kinds `adapter_merge` and `abliterated`: changes of few directions, the rest left as it was.

An adapter's product is of the adapter's rank in each matrix that it touches. Abliteration takes one direction out of
all that is written to the residual stream: rank one everywhere, and everywhere the same direction.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from provenance.judgement import Judgement
from provenance.observation import Observation
from provenance.operations import Explained, Operation, adapter_rank, explained, share
from provenance.result import Kind, Relation, rounded
from provenance.thresholds import thresholds

FEWEST = 2
"""Matrices of one direction from which they count as a common one."""
GROWING = 0.9
"""Share of the matrices that must have grown for the larger side to be the child."""


def find(observed: Observation, judgement: Judgement) -> Kind | None:
    """The operation that explains most of the changed matrices by few directions."""
    if judgement.ruling.relation is not Relation.DERIVED:
        return None
    items = explained(observed)
    if share(items, Operation.LOW_RANK) < thresholds().operation_share:
        return None
    touched = [item for item in items if Operation.LOW_RANK in item.operations]
    rank = adapter_rank(items)
    return _abliterated(touched) or (None if rank is None else _adapter(touched, rank, observed))


def _abliterated(touched: list[Explained]) -> Kind | None:
    """One direction in all matrices that write to the stream; the child lacks it."""
    directions = [item.change.written for item in touched if item.change.spectrum.rank == 1]
    known = [each for each in directions if each is not None]
    if len(known) < FEWEST or len(known) < thresholds().operation_share * len(touched):
        return None
    widths = Counter(len(each) for each in known)
    same = np.stack([each for each in known if len(each) == widths.most_common(1)[0][0]])
    _, _, vectors = np.linalg.svd(same, full_matrices=False)
    agreement = np.abs(same @ vectors[0])
    if len(same) < FEWEST or float(np.median(agreement)) < thresholds().common_direction:
        return None
    shrunk = [item.change.growth < 0 for item in touched]
    child = "b" if np.mean(shrunk) >= GROWING else "a" if np.mean(shrunk) <= 1 - GROWING else None
    return Kind(
        kind="abliterated",
        parameters={"matrices": len(touched), "agreement": rounded(float(np.median(agreement))), "child": child},
        evidence=f"{len(touched)} matrices changed in one direction each, and all in the same one "
        f"(median cosine {float(np.median(agreement)):.3g})",
    )


def _adapter(touched: list[Explained], rank: int, observed: Observation) -> Kind:
    ranks = Counter(item.change.spectrum.rank or 0 for item in touched)
    leaves = sorted({item.change.pair.b.module.rpartition(".")[2] for item in touched})
    grown = float(np.mean([item.change.growth > 0 for item in touched]))
    decided = len(touched) >= 8
    child = "b" if decided and grown >= GROWING else "a" if decided and grown <= 1 - GROWING else None
    changes = [item.change.survivors for item in touched]
    return Kind(
        kind="adapter_merge",
        parameters={
            "rank": rank,
            "targets": leaves,
            "merged": True,
            "relative_change": rounded(float(np.median(changes))),
            "ranks": {str(each): ranks[each] for each in sorted(ranks)},
            "child": child,
        },
        evidence=f"the change of {len(touched)} matrices is of rank {rank} or near it, above what rounding leaves; "
        f"{len(observed.equal_tensors)} other tensors are equal",
    )
