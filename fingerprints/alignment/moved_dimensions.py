"""Dimensions of a residual stream that see tokens as those of other numbers do: what permuting a stream leaves behind.

No permutation of a model's own units moves its tokens. Each dimension of one embedding is matched with those of the
other by half of the tokens, and by the other half: were the two models independent, one matching would say nothing
about the other, but for the few dimensions that language gives every model (the commonest tokens', say).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fingerprints.alignment.table_basis import both_rows, is_embedding
from fingerprints.checkpoint import Checkpoint
from fingerprints.kernels.halves import matched_alike
from fingerprints.pairing import Pairing
from fingerprints.sampling import units

Floats32 = npt.NDArray[np.float32]

TOKENS = 2048
DIMENSIONS = 512
"""Of one side, that are sought in the other."""
FEWEST_TOKENS = 16


def moved_dimensions(pairing: Pairing, a: Checkpoint, b: Checkpoint) -> float | None:
    """The share of dimensions that both halves of the tokens match with one and the same dimension of the other side.

    Parameters
    ----------
    pairing : Pairing
        Counterparts; of embeddings at the tokens that both sides have.
    a, b : Checkpoint
        Where up to 2,048 rows of each embedding are read.

    Returns
    -------
    float or None
        The largest of all embeddings; None where there is none, or none that can be read.
    """
    found = (both_rows(pair, a, b, TOKENS) for pair in pairing.pairs if is_embedding(pair))
    return max((share_moved(*rows) for rows in found if rows is not None), default=None)


def share_moved(x: Floats32, y: Floats32) -> float:
    """See `moved_dimensions`; signs of dimensions are free.

    Parameters
    ----------
    x, y : ndarray of float32, shape (tokens, dimensions)
        Rows of the same tokens.
    """
    if len(x) < 2 * FEWEST_TOKENS or not x.shape[1]:
        return 0.0
    return float(np.mean(matched_alike(x.T, y.T, units(x.shape[1], DIMENSIONS))))
