"""Kind `quantised`: the weights of one side are stored in few bits, by the container's own word or by their grid.

Values that were rounded and stored as plain floats again carry no such word: they are told by the few levels that a
group of neighbours takes.
"""

from __future__ import annotations

from collections import Counter

from fingerprints.checkpoint import Encoding
from fingerprints.pairing import Pair
from provenance.judgement import Judgement
from provenance.observation import Observation
from provenance.operations import Operation, explained, share
from provenance.result import Kind, Relation
from provenance.thresholds import thresholds

LARGEST_ERROR = 0.35
"""Relative change beyond which nothing is put down to rounding."""
MOST = 0.5
"""Share of the changed matrices' elements that must lie on a grid."""
ARITHMETIC = 1e-6
"""Relative change that float32 arithmetic in another order leaves."""


def explains(pair: Pair, relative_change: float) -> bool:
    """Whether rounding to what one side of a pair is stored in changes weights by as much, relative to their norm."""
    return relative_change <= max((_error(part.info.encoding) for part in (pair.a, pair.b)), default=0.0)


def _error(encoding: Encoding | None) -> float:
    """Largest relative change that rounding leaves.

    Integers of b bits have steps of the range of their group, a few standard deviations, over 2**b; methods that pass
    errors on (GPTQ) or scale channels (AWQ) leave up to three times what plain rounding does: 4 * 2**-b in all. The
    range of a row or a whole tensor is that of its outliers, four times as much. Floats err by half a unit in the last
    place.
    """
    if encoding is None:
        return ARITHMETIC
    if encoding.fraction_bits is not None:
        return float(2.0 ** -(encoding.fraction_bits + 1))
    return float(min(LARGEST_ERROR, (4 if encoding.group_size else 16) * 2.0**-encoding.bits))


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
        return _by_grid(observed)
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


def _by_grid(observed: Observation) -> Kind | None:
    """Values of one side that lie on a grid though they are stored as plain floats."""
    items = explained(observed)
    if share(items, Operation.GRID) < MOST:
        return None
    found = [item for item in items if Operation.GRID in item.operations]
    grids = Counter((item.change.quantised_side, item.change.grid) for item in found)
    (side, grid), count = max(grids.items(), key=lambda entry: (entry[1], str(entry[0])))
    if grid is None or side is None:
        return None
    known = sorted(item.change.nearest for item in found if item.change.nearest is not None)
    plain = known[len(known) // 2] >= thresholds().nearest_level if known else None
    return Kind(
        kind="quantised",
        parameters={
            "bits": grid.bits,
            "group_size": grid.group_size,
            "scheme": grid.scheme,
            "side": side,
            "rounding": {True: "to nearest", False: "error-compensated", None: None}[plain],
            "child": side,
        },
        evidence=f"the values of {count} matrices of {side.upper()} lie on a grid of {grid.bits} bits",
    )
