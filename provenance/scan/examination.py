"""What a scan does with one target: the one place that knows how relatives are found."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from fingerprints.adapters import open_model
from provenance.comparison import compare
from provenance.lineage.distance import distance
from provenance.options import Options
from provenance.result import Direction, Relation, Result, rounded
from provenance.scan.claim import check_claim
from provenance.scan.declaration import read_declaration
from provenance.scan.derivative_class import derivative_class
from provenance.scan.licence import check_licence
from provenance.scan.references import Reference, References, is_same_place
from provenance.scan.row import Row, State
from provenance.scan.stamp import stamp_of

RELATED: Final = (Relation.IDENTICAL, Relation.DERIVED, Relation.COMMON_ORIGIN)
"""From the closest relation to the loosest."""
_DIRECTIONS: Final = {
    Direction.A_TO_B: "base_to_target",
    Direction.B_TO_A: "target_to_base",
    Direction.UNDIRECTED: "undirected",
}
_Compared = tuple[Reference, Result]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """How targets are examined; plain data, so that it reaches workers."""

    references: References
    options: Options


def examine(target: str, how: Examination) -> Row:
    """Compare `target` with every model of the library, and its claims with what that shows.

    Raises
    ------
    AuditError
        When the target cannot be used.
    """
    started = time.monotonic()
    # Taken first: content that changes while it is read must look changed to the next `--refresh`.
    stamp = stamp_of(Path(target))
    with open_model(target) as checkpoint:
        declared = read_declaration(checkpoint.origin)
    others = [each for each in how.references.models if not is_same_place(each.path, target)]
    # Each model of the library is one more hypothesis: the error rate of the whole row stays alpha.
    options = replace(how.options, alpha=how.options.alpha / max(len(others), 1))
    results = [(each, compare(each.path, target, options)) for each in others]
    related = _closest_first(target, results)
    row = Row(
        target=target,
        state=State.DONE,
        revision=next((result.b.revision for _, result in results), None),
        relation=_unrelated(results),
        claim=check_claim(
            declared.bases,
            target=target,
            relatives=[base.name for base, _ in related],
            strangers=[base.name for base, result in results if result.verdict.relation is Relation.INDEPENDENT],
        ),
        declared=declared.bases,
        licence=declared.licence,
        bytes_read=sum(result.run.bytes_read for _, result in results),
        stamp=stamp,
    )
    if related:
        row = _with_base(row, *related[0], hypotheses=len(results))
    return replace(row, seconds=rounded(time.monotonic() - started))


def _closest_first(target: str, results: list[_Compared]) -> list[_Compared]:
    """Relatives, by relation, then by how far their weights are from the target's."""
    related = [item for item in results if item[1].verdict.relation in RELATED]
    if len(related) < 2:
        return related

    def closeness(item: _Compared) -> tuple[int, float, str]:
        base, result = item
        return RELATED.index(result.verdict.relation), distance(base.path, target, result), base.name

    return sorted(related, key=closeness)


def _unrelated(results: list[_Compared]) -> Relation:
    """Nothing was found; only where every comparison could have found something is that an answer."""
    decided = results and all(result.verdict.relation is Relation.INDEPENDENT for _, result in results)
    return Relation.INDEPENDENT if decided else Relation.INCONCLUSIVE


def _with_base(row: Row, base: Reference, result: Result, *, hypotheses: int) -> Row:
    verdict = result.verdict
    kinds = tuple(kind.kind for kind in verdict.kinds)
    licence = check_licence(row.licence, base.licence, row.target)
    p = verdict.log10_p
    return replace(
        row,
        relation=verdict.relation,
        base=base.name,
        kinds=kinds,
        direction=None if verdict.direction is None else _DIRECTIONS[verdict.direction],
        effect=verdict.effect,
        log10_p=None if p is None else rounded(min(0.0, p + math.log10(hypotheses))),
        base_licence=base.licence,
        licence_agrees=licence.agrees,
        duties=licence.duties,
        derivative_class=derivative_class(verdict.relation, kinds),
    )
