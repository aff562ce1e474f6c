"""How far apart two related models are, on a scale on which independent changes add up.

The squared length of the difference over the mean squared length of both, summed over sampled rows of the matrices that
both have; 2 for weights at right angles. Where nothing can be laid side by side, or a disguise makes raw values differ,
the effect of the verdict takes its place: unit vectors of cosine c are at a squared distance of 2 (1 - c).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from fingerprints.adapters import open_model
from fingerprints.anatomy import build_anatomy
from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CheckpointError
from fingerprints.layouts import harmonised
from fingerprints.pairing import pair_parts
from fingerprints.sampling import spread, units
from fingerprints.values import widened
from provenance.result import Relation, Result

ROWS: Final = 64
MOST_TENSORS: Final = 128
RIGHT_ANGLE: Final = 2.0


def distance(a: str | Path, b: str | Path, result: Result) -> float:
    """Squared relative distance of two models.

    Parameters
    ----------
    a, b : str or Path
        The models.
    result : Result
        Of their comparison.

    Returns
    -------
    float
        0 for equal values, about 2 for unrelated ones.

    Raises
    ------
    CheckpointError
        When a side cannot be used.
    """
    if result.verdict.relation is Relation.IDENTICAL:
        return 0.0
    effect = result.verdict.effect
    by_effect = RIGHT_ANGLE if effect is None else RIGHT_ANGLE * (1.0 - max(min(effect, 1.0), 0.0))
    with open_model(a) as left, open_model(b) as right:
        measured = _measured(*harmonised(left, right)[:2])
    if measured is None:
        return by_effect
    # A disguise moves values and not the effect; ordinary changes show in both, and in the values more finely.
    return by_effect if measured > 0.5 and by_effect < 0.5 * measured else measured


def _measured(a: Checkpoint, b: Checkpoint) -> float | None:
    pairing = pair_parts(build_anatomy(a), build_anatomy(b))
    pairs = [
        (pair.a.name, pair.b.name)
        for pair in pairing.pairs
        if len(pair.a.shape) > 1 and pair.a.shape == pair.b.shape and not pair.ambiguous
    ]
    apart = size = 0.0
    for place in spread(len(pairs), MOST_TENSORS):
        name, other = pairs[place]
        rows = units(a.tensors[name].shape[0], ROWS, seed=0)
        try:
            x, y = (widened(side.take(key, rows)).astype(np.float64) for side, key in ((a, name), (b, other)))
        except CheckpointError:
            continue
        if np.isfinite(x).all() and np.isfinite(y).all():
            apart += float(np.square(y - x).sum())
            size += float(np.square(x).sum() + np.square(y).sum()) / 2.0
    return apart / size if size > 0.0 else None
