"""Kinds `pruned_unstructured` and `pruned_n_m`: weights of one side were set to zero."""

from __future__ import annotations

from collections import Counter

from provenance.judgement import Judgement
from provenance.observation import Observation
from provenance.operations import Operation, explained, share
from provenance.result import Kind, Relation, rounded


def find(observed: Observation, judgement: Judgement) -> Kind | None:
    """The sparsity of the side that has zeros where the other has none, and its pattern."""
    if judgement.ruling.relation is not Relation.DERIVED:
        return None
    items = [item for item in explained(observed) if Operation.MASK in item.operations]
    if share(explained(observed), Operation.MASK) < MOST or not items:
        return None
    child = "b" if sum(item.size * (item.change.zeros.b - item.change.zeros.a) for item in items) > 0 else "a"
    sparse = [(item, item.change.zeros.b if child == "b" else item.change.zeros.a) for item in items]
    total = sum(item.size for item, _ in sparse)
    sparsity = sum(item.size * zeros for item, zeros in sparse) / total
    pattern, count = Counter(item.change.zeros.pattern for item in items).most_common(1)[0]
    regular = pattern is not None and 2 * count > len(items)
    return Kind(
        kind="pruned_n_m" if regular else "pruned_unstructured",
        parameters={"sparsity": rounded(sparsity), "child": child} | ({"pattern": pattern} if regular else {}),
        evidence=f"{sparsity:.0%} of the values of {len(items)} matrices of {child.upper()} are zero",
    )


MOST = 0.5
"""Share of the changed matrices' elements that must have been masked."""
