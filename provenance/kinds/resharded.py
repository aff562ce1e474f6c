"""Kind `resharded`: the tensors lie in another number of files, or are spread over them otherwise. Packaging."""

from __future__ import annotations

from provenance.judgement import Judgement
from provenance.observation import Observation
from provenance.result import Kind


def find(observed: Observation, judgement: Judgement) -> Kind | None:
    """Another division into files."""
    a, b = len(observed.a.origin.shards), len(observed.b.origin.shards)
    spread_a = [pair.a.info.shard for pair in observed.pairing.pairs]
    spread_b = [pair.b.info.shard for pair in observed.pairing.pairs]
    pairs = set(zip(spread_a, spread_b, strict=True))
    if a == b and len(pairs) == len(set(spread_a)) == len(set(spread_b)):
        return None
    return Kind(
        kind="resharded",
        parameters={"shards_a": a, "shards_b": b},
        evidence=f"{a} file{'s' * (a != 1)} against {b}",
        packaging=True,
    )
