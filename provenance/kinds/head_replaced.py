"""Kind `head_replaced`: the body is the other side's, what stands on it for a task is new."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fingerprints.anatomy import Part
from provenance.judgement import Judgement
from provenance.observation import Observation
from provenance.result import Kind, Relation
from provenance.thresholds import thresholds

HEAD = re.compile(
    r"(^|[._])(classifier|head|\w*_head|score|logits|predictions?|fc_out|out_layer|cls|pooler|qa_outputs)($|[._])",
    re.IGNORECASE,
)
TABLES = ("token_embd", "position_embd", "token_types")


def find(observed: Observation, judgement: Judgement) -> Kind | None:
    """Heads that one side alone has, or that both have and that are not dependent, on a body that is."""
    if judgement.ruling.relation is not Relation.DERIVED:
        return None
    new_a = [part.name for part in observed.pairing.only_a if _is_head(part, observed.a.inventory.learned)]
    new_b = [part.name for part in observed.pairing.only_b if _is_head(part, observed.b.inventory.learned)]
    other = [
        name
        for name, item in observed.measured.items()
        if name not in observed.dependent_tensors
        and name not in observed.unturned_tensors
        and len(item.pair.a.shape) > 1
        and item.pair.a.axes[:1] != ("vocabulary",)
        and _is_head(item.pair.a, observed.a.inventory.learned)
        and _is_comparable(item.pair.a, observed)
        and item.relative_change >= NEW
    ]
    shares = judgement.strength.covered.shares
    if not ((new_a and new_b) or other) or min(shares.a, shares.b) < thresholds().reuse_coverage:
        return None
    if _body_share(observed, judgement) < thresholds().kept_body:
        return None
    return Kind(
        kind="head_replaced",
        parameters={"heads_a": sorted({*new_a, *other}), "heads_b": sorted({*new_b, *other})},
        evidence=f"the body is shared, and {len({*new_a, *new_b, *other})} tensors of heads are not",
    )


NEW = 0.7
"""Relative change of a head from which it is another one."""


def _is_head(part: Part, learned: Mapping[str, int]) -> bool:
    inside = part.layer is not None or part.role in TABLES
    known = part.role == "output" or HEAD.search(part.module) is not None
    return known and not inside and part.name in learned


def _is_comparable(part: Part, observed: Observation) -> bool:
    """Whether a head is in one basis on both sides: a search leaves axes of unknown meaning as they are."""
    towers = observed.alignment.towers if observed.alignment is not None else ()
    return bool(part.axes) or not any(tower.searched_residual for tower in towers)


def _body_share(observed: Observation, judgement: Judgement) -> float:
    """Share of the smaller body, heads left out, that is dependent."""
    shares = []
    for side, covered in ((observed.a, judgement.strength.covered.a), (observed.b, judgement.strength.covered.b)):
        learned = side.inventory.learned
        body = {name: n for name, n in learned.items() if not _is_head(side.anatomy.parts[name], learned)}
        shares.append((sum(body.values()), sum(n for name, n in body.items() if name in covered)))
    total, shared = min(shares)
    return shared / total if total else 0.0
