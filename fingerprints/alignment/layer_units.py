"""Which neurons and attention rows of a layer are which of its counterpart, by what they read and write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fingerprints.alignment.axis_map import AxisMap, Floats32, identity_map
from fingerprints.alignment.unit_features import unit_features
from fingerprints.alignment.unit_map import ENOUGH_FEATURES, Facing, agreement, match_units
from fingerprints.checkpoint import Checkpoint
from fingerprints.pairing import Pair
from fingerprints.sampling import Half, in_half

DIMENSIONS = 1024
CHEAP = 1 << 24
"""Bytes of a matrix that is read whole though others describe the units already."""
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
    dims = _dimensions(residual)
    gated = any(pair.a.role == "ffn_gate" for pair in pairs)
    parts: list[Facing] = []
    read: list[bool] = []
    keys: list[str] = []
    for pair in sorted(pairs, key=lambda pair: -pair.a.axes.index(meaning)):
        axis = pair.a.axes.index(meaning)
        if axis == 0 and pair.a.info.nbytes > CHEAP and sum(part.a.shape[1] for part in parts) >= ENOUGH_FEATURES:
            continue
        left, right = (
            unit_features(part, axis, inner, side)
            for part, inner, side in ((pair.a, residual.a[dims], a), (pair.b, residual.b[dims], b))
        )
        if left is None or right is None:
            continue
        parts.append(Facing(a=left, b=right, signed=not (gated and pair.a.role in UNSIGNED)))
        keys.append(f"{pair.b.role}.{pair.b.kind}")
        read.append(pair.a.role in READ or (not gated and pair.a.role == "ffn_up"))
    if not parts:
        return None, {}
    same = parts[0].a.shape[0] == parts[0].b.shape[0] and all(np.array_equal(part.a, part.b) for part in parts)
    if same:
        return identity_map(parts[0].a.shape[0]), {}
    found = match_units(parts)
    if found is None or meaning != "neuron":
        return found, {}
    if len(set(read)) == 2:
        halves = [[part for part, reads in zip(parts, read, strict=True) if reads is now] for now in (True, False)]
        found = replace(found, agreement=agreement(*halves))
    factors = {key: each for key, part in zip(keys, parts, strict=True) if (each := _factors(found, part)) is not None}
    return found, factors


def _factors(found: AxisMap, part: Facing) -> Floats32 | None:
    """Least squares of A's units in terms of B's, one factor each; None where they are all near one."""
    x, y = part.a[found.a], part.b[found.b]
    own, other = (np.einsum("ij,ij->i", side, side, dtype=np.float64) for side in (y, x))
    products = np.einsum("ij,ij->i", x, y, dtype=np.float64)
    factors = products / np.maximum(own, 1e-30)
    sure = np.abs(products) >= SURE * (found.effect or 0.0) * np.sqrt(own * other)
    sizes = np.abs(np.log(np.maximum(np.abs(factors[sure]), 1e-6)))
    if not sure.any() or (np.median(sizes) < SCALED and np.mean(factors[sure] < 0) < TURNED):
        return None
    return np.asarray(factors, dtype=np.float32)


def _dimensions(residual: AxisMap) -> np.ndarray:
    """Places in the residual map that are looked at."""
    places = np.arange(len(residual.a))
    if residual.is_identity:
        places = places[in_half(residual.a, Half.SEARCH)]
    step = max(1, len(places) // DIMENSIONS)
    return places[::step][:DIMENSIONS]
