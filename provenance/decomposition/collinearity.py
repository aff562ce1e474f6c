"""Parents that are combinations of each other: which weights can then not be told, and how far they may go."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fingerprints.kernels.least_squares import directions, indistinct
from provenance.decomposition.method import FIRST
from provenance.decomposition.samples import Sample

Floats = npt.NDArray[np.float64]

LIMIT = 4.0
"""Parents that differ from a combination by less than so many times their own rounding count as that combination."""
TAKES_PART = 0.05


def barred(samples: Sequence[Sample], *, fixed_sum: bool) -> Floats:
    """Directions of the weights that change no tensor by more than the parents' own rounding does, shape (k, q)."""
    count = samples[0].columns.shape[0] - 2
    products = np.zeros((count, count))
    noise = np.zeros(count)
    for sample in samples:
        products += sample.total[FIRST:, FIRST:] / sample.noise
        noise += sample.count * (sample.parent_noise[:count] + sample.parent_noise[count]) / sample.noise
    return indistinct(products, noise, directions(count, fixed_sum=fixed_sum), LIMIT)


def widened(weights: Floats, halves: Floats, along: Floats) -> tuple[Floats, Floats]:
    """Bounds of the weights when they may move along the barred directions as long as all stay between 0 and 1.

    Parameters
    ----------
    weights, halves : ndarray, shape (k,)
    along : ndarray, shape (k, q)

    Returns
    -------
    low, high : ndarray, shape (k,)
    """
    low, high = weights - halves, weights + halves
    touched = np.abs(along).max(axis=1) > TAKES_PART if along.size else np.zeros(len(weights), dtype=bool)
    if along.shape[1] == 1:
        vector = along[:, 0]
        moving = np.abs(vector) > TAKES_PART
        inside = np.clip(weights[moving], 0.0, 1.0)
        ends = np.stack([-inside / vector[moving], (1 - inside) / vector[moving]])
        least, most = float(ends.min(axis=0).max()), float(ends.max(axis=0).min())
        for step in (least, most):
            moved = weights + step * vector
            low, high = np.minimum(low, moved - halves), np.maximum(high, moved + halves)
    elif along.shape[1] > 1:
        low[touched], high[touched] = np.minimum(low[touched], 0.0), np.maximum(high[touched], 1.0)
    return low, high


def in_words(along: Floats, names: Sequence[str], *, based: bool) -> list[str]:
    """What cannot be told apart, a sentence for each set of parents."""
    found = []
    for vector in along.T:
        involved = [name for name, part in zip(names, vector, strict=True) if abs(part) > TAKES_PART]
        if len(involved) == 1 and based:
            found.append(f"{involved[0]} is the base up to rounding: its weight cannot be told")
        elif len(involved) == 1:
            found.append(f"{involved[0]} cannot be told from the others: its weight is open")
        else:
            listed = f"{', '.join(involved[:-1])} and {involved[-1]}"
            found.append(
                f"collinear parents: {listed} are combinations of each other up to rounding; only what they contribute"
                " together is known, their weights are spread evenly and the intervals say how far they may go"
            )
    return list(dict.fromkeys(found))
