"""Kind `renamed`: the same tensors under other names. Packaging."""

from __future__ import annotations

from provenance.judgement import Judgement
from provenance.observation import Observation
from provenance.result import Kind


def find(observed: Observation, judgement: Judgement) -> Kind | None:
    """Renamed tensors, if there are any; the rules are in the architecture part of the result."""
    count = sum(pair.renamed for pair in observed.pairing.pairs)
    if not count:
        return None
    return Kind(
        kind="renamed",
        parameters={"tensors": count},
        evidence=f"{count} of {len(observed.pairing.pairs)} counterparts have other names",
        packaging=True,
    )
