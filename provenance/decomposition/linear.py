"""Linear merges: M = w1 P1 + w2 P2 + …, weights summing to one.

M. Wortsman et al., Model soups, ICML 2022 (arXiv 2203.05482).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from provenance.decomposition.method import plain_equations
from provenance.decomposition.samples import Sample

Floats = npt.NDArray[np.float64]


class Linear:
    """See the module."""

    name = "linear"
    fixed_sum = True
    fitted = True

    def equations(self, sample: Sample) -> tuple[Floats, Floats]:
        """As they are: with weights that sum to one, the origin does not matter."""
        return plain_equations(sample)

    def coefficients(self, sample: Sample, weights: Floats) -> Floats:
        """The weights."""
        return np.concatenate([[0.0], weights])
