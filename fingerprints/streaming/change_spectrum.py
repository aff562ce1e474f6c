"""The singular values of a change: B - A of one matrix, read by rows as often as it takes, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

from fingerprints.checkpoint import Checkpoint
from fingerprints.kernels.spectrum import Spectrum, spectrum
from fingerprints.pairing import Pair
from fingerprints.values import Floats32, widened

BLOCK_ELEMENTS = 1 << 22
HELD_ELEMENTS = 1 << 25
"""A change of no more elements is kept in memory between rounds."""


def change_spectrum(pair: Pair, a: Checkpoint, b: Checkpoint, *, seed: int = 0) -> Spectrum | None:
    """Summarise the singular values of B - A; all axes but the first count as columns.

    Parameters
    ----------
    pair : Pair
        Counterparts of one shape, of two axes or more.
    a, b : Checkpoint
        The two sides.
    seed : int
        Of the directions that large matrices are multiplied with.

    Returns
    -------
    Spectrum or None
        None where nothing changed, or the change is not finite.

    Raises
    ------
    CheckpointError
        As the readers do.
    """
    rows, columns = pair.a.shape[0], prod(pair.a.shape[1:])
    step = max(1, BLOCK_ELEMENTS // columns)

    def changes() -> Iterator[Floats32]:
        for start in range(0, rows, step):
            stop = min(start + step, rows)
            x, y = (
                widened(side.rows(name, start, stop)).reshape(stop - start, -1)
                for side, name in ((a, pair.a.name), (b, pair.b.name))
            )
            yield y - x

    if rows * columns <= HELD_ELEMENTS:
        held = np.concatenate(list(changes()))
        if not np.isfinite(held).all():
            return None
        if rows < columns:
            held = np.ascontiguousarray(held.T)
        return spectrum(lambda: iter((held,)), held.shape[1], seed=seed)
    return spectrum(changes, columns, seed=seed)
