"""The shape of a change: of how many directions is B - A made?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CheckpointError
from fingerprints.pairing import Pair
from fingerprints.sampling import units
from fingerprints.values import widened

ROWS = 256
COLUMNS = 1024


def rank_shares(pairs: Sequence[Pair], a: Checkpoint, b: Checkpoint, *, energy: float, seed: int = 0) -> list[float]:
    """Share of the singular values of each difference that hold most of its energy.

    A low-rank update puts nearly all energy into a few of them; a full fine-tune needs most of them.

    Parameters
    ----------
    pairs : sequence of Pair
        Matrices of equal shapes; at most 256 rows of 1024 columns are read of each.
    a, b : Checkpoint
        The two sides.
    energy : float
        The share of the squared singular values to be held, in (0, 1).
    seed : int
        Moves the sampled positions.

    Returns
    -------
    list of float
        In (0, 1], one for each pair that differs and can be read.
    """
    shares: list[float] = []
    for pair in pairs:
        rows = units(pair.a.shape[0], ROWS, seed=seed)
        columns = units(int(np.prod(pair.a.shape[1:], dtype=np.int64)), COLUMNS, seed=seed)
        try:
            x, y = (
                widened(side.take(name, rows)).reshape(len(rows), -1)[:, columns].astype(np.float64)
                for side, name in ((a, pair.a.name), (b, pair.b.name))
            )
        except CheckpointError:
            continue
        change = y - x
        if not np.isfinite(change).all() or not change.any():
            continue
        powers = np.linalg.svd(change, compute_uv=False) ** 2
        held = np.cumsum(powers) / powers.sum()
        shares.append(float(np.searchsorted(held, energy) + 1) / len(powers))
    return shares
