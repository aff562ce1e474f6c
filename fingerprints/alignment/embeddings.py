"""Rows of two embeddings at the same tokens, for what can be told of tables alone."""

from __future__ import annotations

import numpy as np

from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CheckpointError
from fingerprints.pairing import Pair, Pairing
from fingerprints.sampling import units
from fingerprints.values import Floats32, widened

TOKENS = 8192

Rows = tuple[Floats32, Floats32]
"""A's and B's, both of shape (tokens, dimensions)."""


def embedding_rows(pairing: Pairing, a: Checkpoint, b: Checkpoint) -> list[Rows]:
    """Up to 8,192 rows of each embedding; those that cannot be read, or hold what is no number, are left out.

    Parameters
    ----------
    pairing : Pairing
        Counterparts; of embeddings at the tokens that both sides have.
    a, b : Checkpoint
        Where rows are read.
    """
    found = (_rows(pair, a, b) for pair in pairing.pairs if _is_embedding(pair))
    return [rows for rows in found if rows is not None]


def _is_embedding(pair: Pair) -> bool:
    known = pair.a.role == pair.b.role == "token_embd" and pair.a.axes == pair.b.axes == ("vocabulary", "residual")
    return known and pair.a.shape == pair.b.shape and len(pair.a.shape) == 2


def _rows(pair: Pair, a: Checkpoint, b: Checkpoint) -> Rows | None:
    rows = units(pair.a.shape[0], TOKENS)
    try:
        x, y = (widened(side.take(part.name, rows)) for part, side in ((pair.a, a), (pair.b, b)))
    except CheckpointError:
        return None
    return (x, y) if np.isfinite(x).all() and np.isfinite(y).all() else None
