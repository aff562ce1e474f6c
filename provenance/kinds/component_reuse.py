"""Kind `component_reuse`: only parts of the two models are shared (a backbone, a vision tower, an embedding)."""

from __future__ import annotations

from collections.abc import Set
from itertools import accumulate

from provenance.judgement import Judgement
from provenance.observation import Observation, Side
from provenance.result import Kind, Relation
from provenance.thresholds import thresholds

MOST_SUBTREES = 12
BESIDES = 0.02
"""Share of its own that either side must have beside equal tensors, for these to be a component."""


def find(observed: Observation, judgement: Judgement) -> Kind | None:
    """The shared sub-trees, where they are less than half of a side or a strict subset with equal values."""
    if judgement.ruling.relation is not Relation.DERIVED:
        return None
    covered = judgement.strength.covered
    shares = covered.shares
    limit = thresholds().reuse_coverage
    mostly_open = max(_untested_share(observed, side) for side in ("a", "b")) > limit
    explained = bool(observed.turned_tensors) or (observed.structural and max(shares.a, shares.b) >= limit)
    copied = _equal_subset(observed) or _copied_in_part(observed, judgement)
    if explained or (not copied and (mostly_open or (shares.a >= limit and shares.b >= limit))):
        return None
    trees_a, trees_b = subtrees(observed.a, covered.a), subtrees(observed.b, covered.b)
    return Kind(
        kind="component_reuse",
        parameters={"subtrees_a": trees_a, "subtrees_b": trees_b, "coverage_a": shares.a, "coverage_b": shares.b},
        evidence=f"{shares.a:.1%} of A's learned parameters and {shares.b:.1%} of B's are shared",
    )


def _copied_in_part(observed: Observation, judgement: Judgement) -> bool:
    """Whether all that the two have in common is equal, and either side has more than tables of tokens besides."""
    if observed.structural or observed.adopted is not None:
        return False
    if not observed.dependent_tensors or observed.dependent_tensors != observed.equal_tensors:
        return False
    covered = judgement.strength.covered
    unturned = {pair.a.name: pair.b.name for pair in observed.pairing.pairs if pair.a.name in observed.unturned_tensors}
    return all(
        _other_share(side, names) >= BESIDES
        for side, names in (
            (observed.a, covered.a | unturned.keys()),
            (observed.b, covered.b | set(unturned.values())),
        )
    )


def _other_share(side: Side, covered: Set[str]) -> float:
    """Share of a side's learned parameters outside of what is shared, and outside of tables of tokens."""
    learned = side.inventory.learned
    left = [
        size
        for name, size in learned.items()
        if name not in covered and side.anatomy.parts[name].axes[:1] != ("vocabulary",)
    ]
    return sum(left) / max(1, sum(learned.values()))


def _untested_share(observed: Observation, label: str) -> float:
    """Share of a side's learned parameters that have a counterpart on which no axis could be tested."""
    side = observed.a if label == "a" else observed.b
    tested = {name for test in observed.measurement.tests for name in test.tensors}
    names = {
        (pair.a if label == "a" else pair.b).name
        for pair in observed.pairing.pairs
        if len(pair.a.shape) > 1 and pair.a.name in observed.measured
        if pair.a.name not in tested and pair.a.name not in observed.equal_tensors
    }
    total = side.inventory.parameters
    return sum(side.inventory.learned.get(name, 0) for name in names) / total if total else 0.0


def _equal_subset(observed: Observation) -> bool:
    """Whether all that the two have in common is equal, and one side has learned tensors that the other lacks."""
    paired_a = observed.pair_of.keys()
    paired_b = {pair.b.name for pair in observed.pairing.pairs}
    extra_a = observed.a.inventory.learned.keys() - paired_a
    extra_b = observed.b.inventory.learned.keys() - paired_b
    return bool(extra_a) != bool(extra_b) and observed.equal_tensors == observed.measured.keys()


def subtrees(side: Side, shared: Set[str]) -> list[str]:
    """The largest sub-trees of names, all of whose learned tensors are shared, with `.*`; "*" for everything.

    Parameters
    ----------
    side : Side
        One checkpoint.
    shared : set of str
        Names of its shared tensors.
    """
    copies = side.inventory.copies
    reached = {copies.get(name, name) for name in shared}
    totals: dict[str, int] = {}
    hits: dict[str, int] = {}
    for name in side.inventory.learned:
        parts = name.split(".")
        for prefix in ("", *accumulate(parts, lambda left, right: f"{left}.{right}")):
            totals[prefix] = totals.get(prefix, 0) + 1
            hits[prefix] = hits.get(prefix, 0) + (name in reached)
    whole = {prefix for prefix, total in totals.items() if hits[prefix] == total}
    largest = [
        prefix
        for prefix in sorted(whole)
        if prefix == "" or ("" not in whole and prefix.rpartition(".")[0] not in whole)
    ]
    shown = [f"{prefix}.*" if prefix and prefix not in side.inventory.learned else prefix or "*" for prefix in largest]
    return shown[:MOST_SUBTREES] + ([f"… and {len(shown) - MOST_SUBTREES} more"] if len(shown) > MOST_SUBTREES else [])
