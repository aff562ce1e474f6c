"""Merges along the arc between two parents (SLERP), or between what two parents changed in a base."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fingerprints.kernels.spherical import coefficients, position
from provenance.decomposition.method import FIRST, MODEL, ORIGIN
from provenance.decomposition.samples import Sample

Floats = npt.NDArray[np.float64]


def _on_line(places: Floats, products: Floats) -> tuple[Floats, Floats]:
    """Equations whose solution is (1 - t, t) in each block, weighted by how far the parents are apart there."""
    targets = np.stack([1 - places, places], axis=1)
    return products, np.einsum("bij,bj->bi", products, targets)


def _cosine(products: Floats) -> float:
    norms = float(np.sqrt(products[0, 0] * products[1, 1]))
    return float(np.clip(products[0, 1] / norms, -1.0, 1.0)) if norms > 0 else 1.0


class Spherical:
    """M on the arc from P1 to P2, tensor by tensor; nearly parallel tensors are interpolated linearly."""

    name = "slerp"
    fixed_sum = True
    fitted = True

    def equations(self, sample: Sample) -> tuple[Floats, Floats]:
        """Where on the arc each block lies."""
        whole, parts = _ends(sample.total[None]), _ends(sample.products)
        cosine = _cosine(whole[0][0])
        places = np.array([position(each, target, cosine) for each, target in zip(*parts, strict=True)])
        return _on_line(places, sample.products[:, FIRST:, FIRST:])

    def coefficients(self, sample: Sample, weights: Floats) -> Floats:
        """The factors of the arc; what they sum to beyond one falls on the origin."""
        first, second = coefficients(float(weights[1]), _cosine(_ends(sample.total[None])[0][0]))
        return np.array([first + second - 1, first, second])


class SphericalOnBase:
    """M = base + a point on the arc between what the two parents changed in it."""

    name = "nuslerp"
    fixed_sum = True
    fitted = True

    def equations(self, sample: Sample) -> tuple[Floats, Floats]:
        """Where on the arc each block lies."""
        cosine = _cosine(sample.total[FIRST:, FIRST:])
        products, targets = sample.products[:, FIRST:, FIRST:], sample.products[:, FIRST:, MODEL]
        places = [position(each, target, cosine, 1.0) for each, target in zip(products, targets, strict=True)]
        return _on_line(np.array(places), products)

    def coefficients(self, sample: Sample, weights: Floats) -> Floats:
        """The factors of the arc."""
        cosine = _cosine(sample.total[FIRST:, FIRST:])
        return np.array([0.0, *coefficients(float(weights[1]), cosine, 1.0)])


def _ends(products: Floats) -> tuple[Floats, Floats]:
    """Inner products of the two parents themselves, and with the model, in each block."""
    origin = products[:, ORIGIN, ORIGIN]
    across = products[:, ORIGIN, FIRST:]
    ends = products[:, FIRST:, FIRST:] + across[:, :, None] + across[:, None, :] + origin[:, None, None]
    model = products[:, FIRST:, MODEL] + across + (products[:, ORIGIN, MODEL] + origin)[:, None]
    return ends, model
