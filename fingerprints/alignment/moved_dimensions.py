"""Dimensions of a residual stream that see tokens as those of other numbers do: what permuting a stream leaves behind.

No permutation of a model's own units moves its tokens. Each dimension of one embedding is matched with those of the
other by half of the tokens, and by the other half: were the two models independent, one matching would say nothing
about the other, but for the few dimensions that language gives every model (the commonest tokens', say).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fingerprints.alignment.embeddings import Rows
from fingerprints.kernels.halves import matched_alike
from fingerprints.sampling import units
from fingerprints.values import Floats32

TOKENS = 2048
DIMENSIONS = 512
"""Of one side, that are sought in the other."""
FEWEST_TOKENS = 16


def moved_dimensions(tables: Iterable[Rows]) -> float | None:
    """The share of dimensions that both halves of the tokens match with one and the same dimension of the other side.

    Parameters
    ----------
    tables : iterable of Rows
        Of all embeddings; of each, 2,048 tokens are looked at.

    Returns
    -------
    float or None
        The largest of all embeddings; None where there is none.
    """
    return max((share_moved(*rows) for rows in tables), default=None)


def share_moved(x: Floats32, y: Floats32) -> float:
    """See `moved_dimensions`; signs of dimensions are free.

    Parameters
    ----------
    x, y : ndarray of float32, shape (tokens, dimensions)
        Rows of the same tokens.
    """
    if len(x) < 2 * FEWEST_TOKENS or not x.shape[1]:
        return 0.0
    tokens = units(len(x), TOKENS)
    return float(np.mean(matched_alike(x[tokens].T, y[tokens].T, units(x.shape[1], DIMENSIONS))))
