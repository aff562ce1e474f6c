"""How two architectures relate: roles, names, sizes, and the table of renames."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from fingerprints.anatomy import Part
from fingerprints.pairing import Pair, PairBasis
from provenance.observation import Observation, Side
from provenance.result import Architecture, ArchitectureRelation, Basis, RenameRule, SizeDifference
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


def rename_rules(observed: Observation) -> tuple[RenameRule, ...]:
    """Rules that explain every renamed pair: a prefix that was replaced, or a template that became another."""
    prefixes: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    templates: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for pair in observed.pairing.pairs:
        if not pair.renamed:
            continue
        if pair.basis in (PairBasis.PREFIX, PairBasis.USER):
            prefixes[_replaced_prefix(pair.a, pair.b)].append(pair)
        else:
            templates[_template_rule(pair)].append(pair)
    rules = [(f"{old}*", f"{new}*", pairs) for (old, new), pairs in sorted(prefixes.items())]
    rules += [(old, new, pairs) for (old, new), pairs in sorted(templates.items())]
    return tuple(
        RenameRule(
            a=old,
            b=new,
            count=len(pairs),
            basis=_basis(observed, pairs),
            ambiguous=any(pair.ambiguous for pair in pairs) and not _proved(observed, pairs),
        )
        for old, new, pairs in rules
    )


def _template_rule(pair: Pair) -> tuple[str, str]:
    """The two templates, or the two names where the numbers moved too."""
    if pair.a.index == pair.b.index:
        return pair.a.template, pair.b.template
    return pair.a.name, pair.b.name


def _replaced_prefix(a: Part, b: Part) -> tuple[str, str]:
    """The prefixes left when the longest common ending is taken off both templates."""
    one, two = a.template.split("."), b.template.split(".")
    while one and two and one[-1] == two[-1]:
        one.pop()
        two.pop()
    return (".".join(one) + "." if one else "", ".".join(two) + "." if two else "")


def _basis(observed: Observation, pairs: Iterable[Pair]) -> Basis:
    pairs = list(pairs)
    if all(pair.basis is PairBasis.WEIGHTS for pair in pairs) or _proved(observed, pairs):
        return Basis.WEIGHTS
    if all(pair.basis is PairBasis.SHAPE for pair in pairs):
        return Basis.SHAPE
    return Basis.NAME_TABLE


def _proved(observed: Observation, pairs: Iterable[Pair]) -> bool:
    """Whether most of the rule's tensors that were looked at are dependent."""
    looked_at = [pair.a.name for pair in pairs if pair.a.name in observed.measured]
    dependent = sum(name in observed.dependent_tensors for name in looked_at)
    return bool(looked_at) and 2 * dependent > len(looked_at)
