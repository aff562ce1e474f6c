"""Elements of many tensors in one row, with the noise of each: what is looked at one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprints.kernels.masks import ranks
from fingerprints.kernels.rounding import spacing
from provenance.decomposition.samples import Sample

Floats = npt.NDArray[np.float64]

ELEMENTS = 120_000
INEXACT = 2.0**-8
"""Of a change: tools compute in the model's type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Elements of all tensors: the model's change, the parents', noise, ranks of the parents' changes, tensors."""

    target: Floats
    vectors: Floats
    spread: Floats
    ranks: Floats
    tensors: npt.NDArray[np.int64]

    def thinned(self, count: int) -> Pool:
        """At most so many elements, evenly spread."""
        step = max(1, -(-len(self.target) // count))
        return Pool(
            target=self.target[::step],
            vectors=self.vectors[:, ::step],
            spread=self.spread[::step],
            ranks=self.ranks[:, ::step],
            tensors=self.tensors[::step],
        )


def pooled_elements(samples: Sequence[Sample], scatter: float) -> Pool:
    """At most 120,000 elements of some tensors, evenly spread.

    Parameters
    ----------
    samples : sequence of Sample
    scatter : float
        Variance of what a tensor keeps of a change, times its size: tools scale by what was kept.
    """
    parts = []
    total = sum(sample.columns.shape[1] for sample in samples)
    for place, sample in enumerate(samples):
        seen = sample.changes()
        ranked = np.stack([ranks(np.abs(change)) for change in seen[2:]])
        inexact = np.sqrt(INEXACT**2 + scatter / sample.standing.part.info.size)
        # What the model holds has no say in which elements count: kept ones would else be chosen more often.
        steps = spacing(np.abs(sample.columns[1:]).max(axis=0), sample.dtype or "BF16")
        spread = np.sqrt(np.square(steps) / 12 + np.square(inexact * np.abs(seen[2:]).max(axis=0)))
        chosen = slice(None, None, max(1, -(-total // ELEMENTS)))
        width = len(seen[1][chosen])
        parts.append((seen[1][chosen], seen[2:, chosen], spread[chosen], ranked[:, chosen], np.full(width, place)))
    return Pool(
        target=np.concatenate([part[0] for part in parts]),
        vectors=np.concatenate([part[1] for part in parts], axis=1),
        spread=np.concatenate([part[2] for part in parts]),
        ranks=np.concatenate([part[3] for part in parts], axis=1),
        tensors=np.concatenate([part[4] for part in parts]),
    )
