"""Which neurons and attention rows of a layer are which of its counterpart, by what they read and write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from fingerprints.alignment.axis_map import AxisMap, Floats32, identity_map
from fingerprints.alignment.unit_features import unit_features
from fingerprints.alignment.unit_map import ENOUGH_FEATURES, MOST_UNITS, Facing, agreement, match_units
from fingerprints.anatomy import Part
from fingerprints.checkpoint import Checkpoint
from fingerprints.pairing import Pair
from fingerprints.sampling import Half, Ints, in_half

DIMENSIONS = 1024
FEW_DIMENSIONS = 384
"""The same, where units are many."""
CHEAP = 1 << 24
"""Bytes of a matrix that is read whole to search, though others describe the units already."""
READ = ("ffn_gate", "ffn_gate_up")
"""Of a gated MLP, what opens a neuron; up and down are what it passes on."""
SCALED = 0.2
"""Median size of the logarithm of neurons' factors from which they count as scaled."""
TURNED = 0.01
"""Share of neurons of the opposite sign from which signs count as turned."""
SURE = 0.5
"""Share of the effect that the cosine of two units must have for their factor to count."""
UNSIGNED = ("ffn_up", "ffn_down")
"""In a gated MLP a neuron's factor in up may be anything, its inverse being in down."""


def match_layer_units(
    pairs: Sequence[Pair], meaning: str, residual: AxisMap, a: Checkpoint, b: Checkpoint
) -> tuple[AxisMap | None, dict[str, Floats32]]:
    """Match the units of one axis of one layer by their entries along the residual stream.

    Parameters
    ----------
    pairs : sequence of Pair
        Counterparts whose axis called `meaning` is the axis in question, and whose other axis is the residual stream.
    meaning : str
        `neuron` or `head`.
    residual : AxisMap
        Dimensions that stand for one another. Where that is the identity, only those of the half for searches are
        looked at, so that the others can be tested.
    a, b : Checkpoint
        Where values are read.

    Returns
    -------
    AxisMap or None
        The matches, if there are any.
    factors : dict
        By role and kind, what neurons of B are to be multiplied by, where most are clearly scaled or of another sign.
    """
    long = (
        meaning == "neuron" and max(part.shape[_axis(part, meaning)] for part in (pairs[0].a, pairs[0].b)) > MOST_UNITS
    )
    dims = _dimensions(residual, FEW_DIMENSIONS if long else DIMENSIONS)
    gated = _is_gated(pairs)
    sides = (a, residual.a[dims]), (b, residual.b[dims])
    parts: dict[str, Facing] = {}
    rest: list[Pair] = []
    for pair in sorted(pairs, key=lambda pair: -_axis(pair.a, meaning)):
        known = sum(part.a.shape[1] for part in parts.values())
        if _axis(pair.a, meaning) == 0 and known >= ENOUGH_FEATURES and (long or pair.a.info.nbytes > CHEAP):
            rest.append(pair)
        elif (facing := _facing(pair, meaning, sides, gated=gated)) is not None:
            parts[_key(pair)] = facing
    if not parts:
        return None, {}
    first = next(iter(parts.values()))
    if first.a.shape[0] == first.b.shape[0] and all(np.array_equal(part.a, part.b) for part in parts.values()):
        return identity_map(first.a.shape[0]), {}
    found = match_units(list(parts.values()), sample=long)
    if found is None or meaning != "neuron" or not found.credible:
        return found, {}
    matched = {key: replace(part, a=part.a[found.a], b=part.b[found.b]) for key, part in parts.items()}
    for pair in rest:
        if (facing := _facing(pair, meaning, sides, gated=gated, units=(found.a, found.b))) is not None:
            matched[_key(pair)] = facing
    found = replace(found, agreement=_agreement(matched if rest else parts, pairs))
    factors = {key: _factors(part, found.effect or 0.0) for key, part in matched.items()}
    return found, {key: each for key, each in factors.items() if each is not None}


def layer_agreement(pairs: Sequence[Pair], residual: AxisMap, a: Checkpoint, b: Checkpoint) -> float | None:
    """The agreement that matching the neurons of one layer would find, however little they resemble each other.

    Parameters
    ----------
    pairs, residual, a, b
        As for `match_layer_units`.

    Returns
    -------
    float or None
        See `AxisMap.agreement`; None where some matrix cannot be read, or nothing tells reading from passing on.
    """
    dims = _dimensions(residual, DIMENSIONS)
    sides = (a, residual.a[dims]), (b, residual.b[dims])
    parts = {_key(pair): _facing(pair, "neuron", sides, gated=_is_gated(pairs)) for pair in pairs}
    return _agreement({key: part for key, part in parts.items() if part is not None}, pairs)


def _agreement(parts: Mapping[str, Facing], pairs: Sequence[Pair]) -> float | None:
    """Between what neurons read and what they pass on."""
    gated = _is_gated(pairs)
    read = {_key(pair) for pair in pairs if pair.a.role in READ or (not gated and pair.a.role == "ffn_up")}
    halves = [[part for key, part in parts.items() if (key in read) is reads] for reads in (True, False)]
    return agreement(*halves) if all(halves) else None


def _is_gated(pairs: Sequence[Pair]) -> bool:
    return any(pair.a.role == "ffn_gate" for pair in pairs)


def _axis(part: Part, meaning: str) -> int:
    return part.axes.index(meaning)


def _key(pair: Pair) -> str:
    return f"{pair.b.role}.{pair.b.kind}"


Sides = tuple[tuple[Checkpoint, Ints], tuple[Checkpoint, Ints]]


def _facing(
    pair: Pair, meaning: str, sides: Sides, *, gated: bool, units: tuple[Ints | None, Ints | None] = (None, None)
) -> Facing | None:
    """Features of the units of both sides, or of some of them; None where either cannot be read."""
    left, right = (
        unit_features(part, _axis(part, meaning), inner, checkpoint, units=few)
        for part, (checkpoint, inner), few in zip((pair.a, pair.b), sides, units, strict=True)
    )
    if left is None or right is None:
        return None
    return Facing(a=left, b=right, signed=not (gated and pair.a.role in UNSIGNED))


def _factors(matched: Facing, effect: float) -> Floats32 | None:
    """Least squares of A's units in terms of B's, one factor each; None where they are all near one."""
    x, y = matched.a, matched.b
    own, other = (np.einsum("ij,ij->i", side, side, dtype=np.float64) for side in (y, x))
    products = np.einsum("ij,ij->i", x, y, dtype=np.float64)
    factors = products / np.maximum(own, 1e-30)
    sure = np.abs(products) >= SURE * effect * np.sqrt(own * other)
    sizes = np.abs(np.log(np.maximum(np.abs(factors[sure]), 1e-6)))
    if not sure.any() or (np.median(sizes) < SCALED and np.mean(factors[sure] < 0) < TURNED):
        return None
    return np.asarray(factors, dtype=np.float32)


def _dimensions(residual: AxisMap, most: int) -> Ints:
    """Places in the residual map that are looked at."""
    places = np.arange(len(residual.a))
    if residual.is_identity:
        places = places[in_half(residual.a, Half.SEARCH)]
    step = max(1, len(places) // most)
    return places[::step][:most]
