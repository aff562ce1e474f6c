"""Kind `dtype_cast`: counterparts are stored in another floating-point type. Packaging."""

from __future__ import annotations

from collections import Counter

from fingerprints.anatomy import Part
from fingerprints.values import PRECISION
from provenance.judgement import Judgement
from provenance.observation import Observation, Side
from provenance.result import Kind


def _stored(part: Part, side: Side) -> str:
    """What a tensor is stored as, whatever view of it was looked at."""
    return side.anatomy.parts.get(part.name, part).info.stored_as


def find(observed: Observation, judgement: Judgement) -> Kind | None:
    """The most frequent change of type among learned counterparts of 16 bits or more."""
    casts: Counter[tuple[str, str]] = Counter()
    for name in observed.measured:
        pair = observed.pair_of[name]
        types = _stored(pair.a, observed.a), _stored(pair.b, observed.b)
        if types[0] != types[1] and set(types) <= PRECISION.keys():
            casts[types] += pair.a.info.size
    if not casts:
        return None
    (old, new), _ = max(casts.items(), key=lambda item: (item[1], item[0]))
    return Kind(
        kind="dtype_cast",
        parameters={"dtype_a": old, "dtype_b": new},
        evidence=f"{old} against {new}",
        packaging=True,
    )
