"""The relatives of a target in a folder of models: all of them are compared with it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from provenance.comparison import compare
from provenance.options import Options
from provenance.result import Direction, Relation, Result, rounded
from provenance.scan.distance import distance
from provenance.scan.references import Reference, References, is_same_place

RELATED: Final = (Relation.IDENTICAL, Relation.DERIVED, Relation.COMMON_ORIGIN)
"""From the closest relation to the loosest."""
_Compared = tuple[Reference, Result]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relative:
    """A model of the library that is related to a target; `direction` is that from it to the target."""

    name: str
    relation: Relation
    kinds: tuple[str, ...]
    direction: Direction | None
    effect: float | None
    log10_p: float | None
    licence: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Relatives:
    """What a library shows of a target.

    Attributes
    ----------
    found : tuple of Relative
        The closest first.
    otherwise : Relation or None
        What the target is to the library where nothing was found; None where an index alone was asked.
    names : tuple of str
        All names of all relatives.
    strangers : callable
        Which of some declared names are models of the library whose weights are independent of the target's.
    bytes_read : int
        Of models on both sides.
    """

    found: tuple[Relative, ...]
    otherwise: Relation | None
    names: tuple[str, ...]
    strangers: Callable[[tuple[str, ...]], list[str]]
    bytes_read: int


def compared_relatives(place: str | Path, references: References, options: Options) -> Relatives:
    """Compare a target with every model of a folder but itself.

    Raises
    ------
    AuditError
        When the target cannot be used.
    """
    others = [each for each in references.models if not is_same_place(each.path, place)]
    # Each model of the library is one more hypothesis: the error rate of the whole row stays alpha.
    options = replace(options, alpha=options.alpha / max(len(others), 1))
    results = [(each, compare(each.path, place, options)) for each in others]
    related = _closest_first(place, results)
    strangers = [base.name for base, result in results if result.verdict.relation is Relation.INDEPENDENT]
    return Relatives(
        found=tuple(_relative(base, result, len(results)) for base, result in related),
        otherwise=_unrelated(results),
        names=tuple(base.name for base, _ in related),
        strangers=lambda declared: strangers,
        bytes_read=sum(result.run.bytes_read for _, result in results),
    )


def corrected(log10_p: float | None, hypotheses: int) -> float | None:
    """A p-value for this many models, after one for a single model."""
    return None if log10_p is None else rounded(min(0.0, log10_p + math.log10(max(hypotheses, 1))))


def _closest_first(place: str | Path, results: list[_Compared]) -> list[_Compared]:
    """Relatives, by relation, then by how far their weights are from the target's."""
    related = [item for item in results if item[1].verdict.relation in RELATED]
    if len(related) < 2:
        return related

    def closeness(item: _Compared) -> tuple[int, float, str]:
        base, result = item
        return RELATED.index(result.verdict.relation), distance(base.path, place, result), base.name

    return sorted(related, key=closeness)


def _relative(base: Reference, result: Result, hypotheses: int) -> Relative:
    verdict = result.verdict
    return Relative(
        name=base.name,
        relation=verdict.relation,
        kinds=tuple(kind.kind for kind in verdict.kinds),
        direction=verdict.direction,
        effect=verdict.effect,
        log10_p=corrected(verdict.log10_p, hypotheses),
        licence=base.licence,
    )


def _unrelated(results: list[_Compared]) -> Relation:
    """Nothing was found; only where every comparison could have found something is that an answer."""
    decided = results and all(result.verdict.relation is Relation.INDEPENDENT for _, result in results)
    return Relation.INDEPENDENT if decided else Relation.INCONCLUSIVE
