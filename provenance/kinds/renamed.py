"""Kind `renamed`: the same tensors under other names. Packaging."""

from __future__ import annotations

from fingerprints.pairing import Pair
from provenance.judgement import Judgement
from provenance.observation import Observation
from provenance.result import Kind


def find(observed: Observation, judgement: Judgement) -> Kind | None:
    """Renamed tensors, if there are any; the rules are in the architecture part of the result."""
    count = sum(_renamed(pair, observed) for pair in observed.pairing.pairs)
    if not count:
        return None
    return Kind(
        kind="renamed",
        parameters={"tensors": count},
        evidence=f"{count} of {len(observed.pairing.pairs)} counterparts have other names",
        packaging=True,
    )


def _renamed(pair: Pair, observed: Observation) -> bool:
    """Whether the names differ by more than the numbers that a map of layers and experts explains."""
    if observed.alignment is None:
        return pair.renamed
    stored = [side.anatomy.parts.get(part.name, part) for side, part in ((observed.a, pair.a), (observed.b, pair.b))]
    return stored[0].template != stored[1].template and (pair.a.expert is None) == (pair.b.expert is None)
