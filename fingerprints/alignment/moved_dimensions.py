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
from fingerprints.kernels import similarity, unit_rows
from fingerprints.pairing import Pairing
from fingerprints.sampling import Ints, units

Floats32 = npt.NDArray[np.float32]

TOKENS = 2048
DIMENSIONS = 512
"""Of one side, that are sought in the other."""
FEWEST_TOKENS = 16
_NONE = -1


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
    return max((matched_alike(*rows) for rows in found if rows is not None), default=None)


def matched_alike(x: Floats32, y: Floats32) -> float:
    """See `moved_dimensions`; signs of dimensions are free.

    Parameters
    ----------
    x, y : ndarray of float32, shape (tokens, dimensions)
        Rows of the same tokens.
    """
    if len(x) < 2 * FEWEST_TOKENS or not x.shape[1]:
        return 0.0
    chosen = units(x.shape[1], DIMENSIONS)
    first, second = (
        _partners(unit_rows(x[half].T)[0], unit_rows(y[half].T)[0], chosen)
        for half in (slice(0, None, 2), slice(1, None, 2))
    )
    return float(np.mean((first != _NONE) & (first == second)))


def _partners(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], chosen: Ints) -> Ints:
    """For each of the chosen rows of x the row of y that is most like it, if that holds in the other direction too."""
    forth = np.abs(similarity(x[chosen], y))
    best = forth.argmax(axis=1)
    back = np.abs(similarity(y[best], x)).argmax(axis=1)
    mutual = (back == chosen) & (forth.max(axis=1) > 0)
    return np.where(mutual, best, _NONE).astype(np.int64)
