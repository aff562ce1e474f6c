"""Merges of what parents changed in a base: by weights of their own, or by how alike the changes are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from provenance.decomposition.method import FIRST, plain_equations
from provenance.decomposition.samples import Sample

Floats = npt.NDArray[np.float64]


class TaskArithmetic:
    """M = base + Σ wᵢ (Pᵢ - base). G. Ilharco et al., ICLR 2023 (arXiv 2212.04089)."""

    name = "task_arithmetic"
    fixed_sum = False
    fitted = True

    def equations(self, sample: Sample) -> tuple[Floats, Floats]:
        """As they are."""
        return plain_equations(sample)

    def coefficients(self, sample: Sample, weights: Floats) -> Floats:
        """The weights."""
        return np.concatenate([[0.0], weights])


class ModelStock:
    """M between the base and the parents' mean, as far as their changes agree in each tensor.

    D.-H. Jang et al., Model Stock, ECCV 2024 (arXiv 2403.19522): t = k cos θ / (1 + (k - 1) cos θ) for the mean cosine
    of all pairs of changes. Nothing is fitted; the weights that are reported are what t made of each parent.
    """

    name = "model_stock"
    fixed_sum = False
    fitted = False

    def equations(self, sample: Sample) -> tuple[Floats, Floats]:
        """Those of the factors that the rule gives."""
        products = sample.products[:, FIRST:, FIRST:]
        return products, products @ self.coefficients(sample, np.empty(0))[1:]

    def coefficients(self, sample: Sample, weights: Floats) -> Floats:
        """The factors that the rule gives, whatever the weights."""
        products = sample.total[FIRST:, FIRST:]
        count = len(products)
        norms = np.sqrt(np.outer(np.diag(products), np.diag(products)))
        cosines = np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
        cosine = float(cosines[np.triu_indices(count, 1)].mean())
        below = 1 + (count - 1) * cosine
        t = count * cosine / below if abs(below) > 1e-6 else 0.0
        return np.concatenate([[0.0], np.full(count, t / count)])
