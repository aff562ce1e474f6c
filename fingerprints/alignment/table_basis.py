"""Do two tables of tokens agree in another basis, whatever stands on them?

A rotation fitted on most of the tokens is held against the others. Independent models of one tokenizer come far in this
(median cosines up to .93 on models of the zoo: tokens that no text used lie in one direction, and others where language
has them), so that the number says something only where nearly nothing is left to explain.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fingerprints.alignment.basis_side import centred
from fingerprints.alignment.embeddings import Rows
from fingerprints.alignment.unit_features import scaled_rows
from fingerprints.kernels.bases import procrustes

HELD_OUT = 4
"""One token in so many takes no part in the fit."""


def table_agreement(tables: Iterable[Rows]) -> float | None:
    """The median cosine of held-out rows of two embeddings under the best rotation of one into the other.

    Parameters
    ----------
    tables : iterable of Rows
        Of all embeddings.

    Returns
    -------
    float or None
        The largest of all embeddings; None where there is none.
    """
    found = [_held_out(rows) for rows in tables]
    return max((each for each in found if each is not None), default=None)


def _held_out(rows: Rows) -> float | None:
    x, y = (scaled_rows(centred(side)) for side in rows)
    held = np.arange(len(x)) % HELD_OUT == 0
    if not held.any() or held.all():
        return None
    turned = x[held] @ procrustes(x[~held], y[~held])
    return float(np.median(np.einsum("ij,ij->i", turned, y[held], dtype=np.float64)))
