"""How two architectures relate: roles, names and sizes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from fingerprints.anatomy import Part
from provenance.observation import Observation, Side
from provenance.renames import rename_rules
from provenance.result import Architecture, ArchitectureRelation, SizeDifference
from provenance.thresholds import thresholds

_BUFFERS = re.compile(
    r"(^|\.)(position_ids|token_type_ids|inv_freq|masked_bias|rotary_emb\.\w+|num_batches_tracked|attn\.bias|attention\.bias"
    r"|causal_mask|cos_cached|sin_cached)$"
)


def describe_architecture(observed: Observation) -> Architecture:
    """The architecture half of the answer.

    Parameters
    ----------
    observed : Observation
        The pair.
    """
    only_a = _missing_roles(observed.a, observed.pairing.only_a, {p.a.template for p in observed.pairing.pairs})
    only_b = _missing_roles(observed.b, observed.pairing.only_b, {p.b.template for p in observed.pairing.pairs})
    renames = rename_rules(observed)
    if _paired_share(observed) < thresholds().different_architecture_share:
        relation = ArchitectureRelation.DIFFERENT
    elif only_a or only_b:
        relation = ArchitectureRelation.VARIANT
    elif renames:
        relation = ArchitectureRelation.RENAMED
    else:
        relation = ArchitectureRelation.IDENTICAL
    return Architecture(
        relation=relation,
        sizes=_sizes(observed),
        renames=renames,
        paired=len(observed.pairing.pairs),
        only_a=only_a,
        only_b=only_b,
    )


def _missing_roles(side: Side, left: Sequence[Part], paired_templates: set[str]) -> dict[str, int]:
    """Templates of one side that the other lacks altogether; buffers and copies are no roles, more layers a size."""
    counts = Counter(
        part.template
        for part in left
        if part.template not in paired_templates
        and part.name not in side.inventory.copies
        and not (side.inventory.parameters and part.name in side.inventory.set_aside)
        and not _BUFFERS.search(part.name)
    )
    return dict(sorted(counts.items()))


def _paired_share(observed: Observation) -> float:
    """Share of the smaller side's elements that have a counterpart, deeper stacks counted by template."""
    shares = []
    for side, templates in (
        (observed.a, {pair.a.template for pair in observed.pairing.pairs}),
        (observed.b, {pair.b.template for pair in observed.pairing.pairs}),
    ):
        total = sum(part.info.size for part in side.anatomy.parts.values())
        held = sum(part.info.size for part in side.anatomy.parts.values() if part.template in templates)
        shares.append((total, held / total if total else 0.0))
    return min(shares)[1]


def _sizes(observed: Observation) -> tuple[SizeDifference, ...]:
    """Named dimensions that differ, then other lengths of counterparts that differ, the most frequent first."""
    a, b = observed.a.anatomy.dimensions, observed.b.anatomy.dimensions
    named = [SizeDifference(dimension=name, a=a[name], b=b[name]) for name in a if name in b and a[name] != b[name]]
    known = {(size.a, size.b) for size in named}
    other: Counter[tuple[int, int]] = Counter()
    for pair in observed.pairing.pairs:
        for one, two in zip(pair.a.shape, pair.b.shape, strict=True):
            if one != two and (one, two) not in known:
                other[one, two] += 1
    rest = [
        SizeDifference(dimension="other", a=one, b=two)
        for (one, two), _ in sorted(other.items(), key=lambda item: (-item[1], item[0]))[:8]
    ]
    return (*named, *rest)
