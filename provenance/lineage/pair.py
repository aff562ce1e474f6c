"""What is known about one pair of models: the verdict in short, and how far apart they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from provenance.comparison import compare
from provenance.lineage.distance import distance
from provenance.options import Options
from provenance.result import Direction, Relation, rounded

SHARED = (Relation.IDENTICAL, Relation.DERIVED)
"""Relations that make an edge of a lineage: trained weights are shared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two models by name, in the order in which they were compared."""

    a: str
    b: str
    relation: Relation
    direction: Direction | None = None
    kinds: tuple[str, ...] = ()
    log10_p: float | None = None
    effect: float | None = None
    distance: float | None = None
    bytes_read: int = 0

    @property
    def is_shared(self) -> bool:
        """Whether one comes from the other, or both from a trained ancestor."""
        return self.relation in SHARED


def examine_pair(a: str, b: str, options: Options) -> Pair:
    """Compare two models, and measure their distance when they share trained weights.

    Raises
    ------
    CheckpointError
        When a side cannot be used.
    """
    result = compare(a, b, options)
    verdict = result.verdict
    related = verdict.relation in SHARED
    return Pair(
        a=a,
        b=b,
        relation=verdict.relation,
        direction=verdict.direction,
        kinds=tuple(kind.kind for kind in verdict.kinds),
        log10_p=verdict.log10_p,
        effect=verdict.effect,
        distance=rounded(distance(Path(a), Path(b), result)) if related else None,
        bytes_read=result.run.bytes_read,
    )
