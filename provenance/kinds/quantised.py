"""Kind `quantised`: the weights of one side are stored in few bits, by the container's own word.

Values that were rounded and stored as plain floats again carry no such word, and are not named here.
"""

from __future__ import annotations

from collections import Counter

from fingerprints.checkpoint import Encoding
from fingerprints.pairing import Pair
from provenance.judgement import Judgement
from provenance.observation import Observation
from provenance.result import Kind, Relation


def explains(pair: Pair, relative_change: float) -> bool:
    """Whether rounding to the bits that one side of a pair is stored in changes weights by as much.

    The steps of b bits span a range of a few standard deviations: rounding errors are below 2 * 2**-b of the norm.
    """
    encodings = {part.info.encoding for part in (pair.a, pair.b)} - {None}
    return any(each is not None and relative_change <= 2 * 2**-each.bits for each in encodings)


def find(observed: Observation, judgement: Judgement) -> Kind | None:
    """The encoding of most of the parameters on the side that is encoded, where the other side is not."""
    if judgement.ruling.relation not in (Relation.DERIVED, Relation.IDENTICAL):
        return None
    encodings: tuple[Counter[Encoding], Counter[Encoding]] = (Counter(), Counter())
    for name in observed.measured:
        pair = observed.pair_of[name]
        for part, counted, other in ((pair.a, encodings[0], pair.b), (pair.b, encodings[1], pair.a)):
            if part.info.encoding is not None and part.info.encoding != other.info.encoding:
                counted[part.info.encoding] += part.info.size
    side, counted = max(zip("ab", encodings, strict=True), key=lambda item: (item[1].total(), item[0]))
    if not counted:
        return None
    encoding, size = max(counted.items(), key=lambda item: (item[1], item[0].scheme))
    return Kind(
        kind="quantised",
        parameters={
            "bits": encoding.bits,
            "group_size": encoding.group_size,
            "scheme": encoding.scheme,
            "side": side,
        },
        evidence=f"{size / counted.total():.0%} of the encoded parameters of {side.upper()} are {encoding.scheme}",
        packaging=False,
    )
