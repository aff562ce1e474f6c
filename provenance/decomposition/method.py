"""What ways of merging have in common: weights that make a model out of an origin and differences from it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from provenance.decomposition.samples import Sample

Floats = npt.NDArray[np.float64]

ORIGIN, MODEL, FIRST = 0, 1, 2
"""Places in a sample's products: the origin, the model's difference from it, the first parent's."""


class Method(Protocol):
    """One way to merge k parents, tensor by tensor, without dropping elements."""

    @property
    def name(self) -> str:
        """What mergekit calls it."""
        ...

    @property
    def fixed_sum(self) -> bool:
        """Whether weights sum to one."""
        ...

    @property
    def fitted(self) -> bool:
        """Whether weights are free; else a rule gives them."""
        ...

    def equations(self, sample: Sample) -> tuple[Floats, Floats]:
        """Normal equations of the weights in each block of a tensor: shapes (blocks, k, k) and (blocks, k)."""
        ...

    def coefficients(self, sample: Sample, weights: Floats) -> Floats:
        """Factors of the origin (beside its own 1) and of each parent's difference from it, shape (1 + k,)."""
        ...


def residual(sample: Sample, coefficients: Floats) -> float:
    """Energy that coefficients leave of a tensor, in units of what rounding does to one element."""
    whole = np.concatenate([coefficients[:1], [-1.0], coefficients[1:]])
    return max(float(whole @ sample.total @ whole), 0.0) / sample.noise


def plain_equations(sample: Sample) -> tuple[Floats, Floats]:
    """Normal equations of differences as they are."""
    return sample.products[:, FIRST:, FIRST:], sample.products[:, FIRST:, MODEL]
