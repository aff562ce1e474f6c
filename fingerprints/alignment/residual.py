"""Which dimensions of one residual stream are which of the other, where their number or order differs.

What both models index alike describes a dimension: tokens, positions, classes, and hidden units of equal number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fingerprints.alignment.axis_map import AxisMap, Floats32
from fingerprints.alignment.unit_features import unit_features
from fingerprints.alignment.unit_map import Facing, match_units
from fingerprints.checkpoint import Checkpoint
from fingerprints.pairing import Pair
from fingerprints.sampling import Half, units

TOKENS = 2048
ROWS = 64
MOST_PARTS = 48
SHARED = ("vocabulary", "position", "class")


def match_residual(
    pairs: Sequence[Pair], a: Checkpoint, b: Checkpoint, *, lengths: tuple[int, int], seed: int = 0
) -> AxisMap | None:
    """Match the dimensions of a residual stream.

    Parameters
    ----------
    pairs : sequence of Pair
        Counterparts that are on the stream, layers already in place.
    a, b : Checkpoint
        Where values are read: rows of the half for searches, except of tables, whose rows are never tested.
    lengths : pair of int
        Dimensions on either side.
    seed : int
        Moves the sampled positions.
    """
    usable = [pair for pair in pairs if _faces_alike(pair, lengths)]
    tables = [pair for pair in usable if pair.a.axes[0] in SHARED]
    others = [pair for pair in usable if pair.a.axes[0] not in SHARED]
    step = max(1, len(others) // MOST_PARTS)
    parts: list[Facing] = []
    for pair in (*tables, *others[::step][:MOST_PARTS]):
        if (facing := _described(pair, a, b, seed)) is not None:
            parts.append(facing)
    return match_units(parts) if parts else None


def _faces_alike(pair: Pair, lengths: tuple[int, int]) -> bool:
    """Whether the other axis of two matrices on the stream means the same, number by number."""
    if len(pair.a.axes) != 2 or pair.a.axes != pair.b.axes or pair.a.axes.count("residual") != 1:
        return False
    place = pair.a.axes.index("residual")
    if (pair.a.shape[place], pair.b.shape[place]) != lengths:
        return False
    return pair.a.shape[1 - place] == pair.b.shape[1 - place] or pair.a.axes[1 - place] in SHARED


def _described(pair: Pair, a: Checkpoint, b: Checkpoint, seed: int) -> Facing | None:
    """Centred columns of sampled rows, or centred rows at sampled columns."""
    place = pair.a.axes.index("residual")
    length = min(pair.a.shape[1 - place], pair.b.shape[1 - place])
    table = pair.a.axes[1 - place] in SHARED
    inner = units(length, TOKENS if table else ROWS, seed=seed, half=Half.ALL if table else Half.SEARCH)
    left, right = (_centred(unit_features(part, place, inner, side)) for part, side in ((pair.a, a), (pair.b, b)))
    return None if left is None or right is None else Facing(a=left, b=right)


def _centred(values: Floats32 | None) -> Floats32 | None:
    """Features of which each has mean zero over the units, so that what all units share matches nobody.

    Units that are zero, as those of a padded stream are, stay zero.
    """
    if values is None:
        return None
    used = values.any(axis=1, keepdims=True)
    mean = values.sum(axis=0, keepdims=True) / max(int(used.sum()), 1)
    centred: Floats32 = np.where(used, values - mean, values).astype(np.float32)
    return centred
