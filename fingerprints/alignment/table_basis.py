"""Do two tables of tokens agree in another basis, whatever stands on them?

A rotation fitted on most of the tokens is held against the others. Independent models of one tokenizer come far in this
(median cosines up to .93 on models of the zoo: tokens that no text used lie in one direction, and others where language
has them), so that the number says something only where nearly nothing is left to explain.
"""

from __future__ import annotations

import numpy as np

from fingerprints.alignment.basis_side import centred
from fingerprints.alignment.unit_features import scaled_rows
from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CheckpointError
from fingerprints.kernels.bases import procrustes
from fingerprints.pairing import Pair, Pairing
from fingerprints.sampling import units
from fingerprints.values import Floats32, widened

TOKENS = 8192
HELD_OUT = 4
"""One token in so many takes no part in the fit."""


def table_agreement(pairing: Pairing, a: Checkpoint, b: Checkpoint) -> float | None:
    """The median cosine of held-out rows of two embeddings under the best rotation of one into the other.

    Parameters
    ----------
    pairing : Pairing
        Counterparts; of embeddings at the tokens that both sides have.
    a, b : Checkpoint
        Where up to 8,192 rows of each embedding are read.

    Returns
    -------
    float or None
        The largest of all embeddings; None where there is none, or none that can be read.
    """
    found = [_held_out(pair, a, b) for pair in pairing.pairs if is_embedding(pair)]
    return max((each for each in found if each is not None), default=None)


def is_embedding(pair: Pair) -> bool:
    """Whether both sides are tables of one row a token, of one width."""
    known = pair.a.role == pair.b.role == "token_embd" and pair.a.axes == pair.b.axes == ("vocabulary", "residual")
    return known and pair.a.shape == pair.b.shape and len(pair.a.shape) == 2


def both_rows(pair: Pair, a: Checkpoint, b: Checkpoint, count: int) -> tuple[Floats32, Floats32] | None:
    """Some rows of one pair of tables; None where they cannot be read or hold what is no number."""
    rows = units(pair.a.shape[0], count)
    try:
        x, y = (widened(side.take(part.name, rows)) for part, side in ((pair.a, a), (pair.b, b)))
    except CheckpointError:
        return None
    return (x, y) if np.isfinite(x).all() and np.isfinite(y).all() else None


def _held_out(pair: Pair, a: Checkpoint, b: Checkpoint) -> float | None:
    rows = both_rows(pair, a, b, TOKENS)
    if rows is None:
        return None
    x, y = (scaled_rows(centred(side)) for side in rows)
    held = np.arange(len(x)) % HELD_OUT == 0
    if not held.any() or held.all():
        return None
    turned = x[held] @ procrustes(x[~held], y[~held])
    return float(np.median(np.einsum("ij,ij->i", turned, y[held], dtype=np.float64)))
