"""Which neurons and attention rows of a layer are which of its counterpart, by what they read and write."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fingerprints.alignment.axis_map import AxisMap, identity_map
from fingerprints.alignment.unit_features import unit_features
from fingerprints.alignment.unit_map import ENOUGH_FEATURES, Facing, match_units
from fingerprints.checkpoint import Checkpoint
from fingerprints.pairing import Pair
from fingerprints.sampling import Half, in_half

DIMENSIONS = 1024
CHEAP = 1 << 24
"""Bytes of a matrix that is read whole though others describe the units already."""
UNSIGNED = ("ffn_up", "ffn_down")
"""In a gated MLP a neuron's factor in up may be anything, its inverse being in down."""


def match_layer_units(
    pairs: Sequence[Pair], meaning: str, residual: AxisMap, a: Checkpoint, b: Checkpoint
) -> AxisMap | None:
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
    """
    dims = _dimensions(residual)
    gated = any(pair.a.role == "ffn_gate" for pair in pairs)
    parts: list[Facing] = []
    for pair in sorted(pairs, key=lambda pair: -pair.a.axes.index(meaning)):
        axis = pair.a.axes.index(meaning)
        if axis == 0 and pair.a.info.nbytes > CHEAP and sum(part.a.shape[1] for part in parts) >= ENOUGH_FEATURES:
            continue
        left, right = (
            unit_features(part, axis, inner, side)
            for part, inner, side in ((pair.a, residual.a[dims], a), (pair.b, residual.b[dims], b))
        )
        if left is not None and right is not None:
            parts.append(Facing(a=left, b=right, signed=not (gated and pair.a.role in UNSIGNED)))
    if not parts:
        return None
    same = parts[0].a.shape[0] == parts[0].b.shape[0] and all(np.array_equal(part.a, part.b) for part in parts)
    return identity_map(parts[0].a.shape[0]) if same else match_units(parts)


def _dimensions(residual: AxisMap) -> np.ndarray:
    """Places in the residual map that are looked at."""
    places = np.arange(len(residual.a))
    if residual.is_identity:
        places = places[in_half(residual.a, Half.SEARCH)]
    step = max(1, len(places) // DIMENSIONS)
    return places[::step][:DIMENSIONS]
