"""A method fitted to all tensors at one resolution: one weight for all, or one a layer, a block, a tensor."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fingerprints.kernels.least_squares import Estimate, cross_products, directions, estimate, solve
from provenance.decomposition.lineup import Standing
from provenance.decomposition.method import FIRST, MODEL, Method, residual
from provenance.decomposition.samples import Sample

Floats = npt.NDArray[np.float64]

Key = Callable[[Standing], Hashable]

RESOLUTIONS: dict[str, Key] = {
    "model": lambda standing: None,
    "layer": lambda standing: standing.module if standing.layer is None else standing.layer,
    "block": lambda standing: standing.block,
    "layer and block": lambda standing: (standing.layer, standing.block),
    "module": lambda standing: standing.module,
    "tensor": lambda standing: standing.part.name,
}
"""From coarse to fine; the coarsest that explains as much as single tensors do is taken."""
FEWEST_CLUSTERS = 6
"""With fewer tensors than this, blocks of them are what scatters."""
AS_GOOD = 1.05
"""A coarser resolution, or a simpler method, may leave this many times the energy that the best one leaves."""
SLACK = 0.1
"""And so much of what rounding explains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A fitted method.

    Attributes
    ----------
    method : Method
    resolution : str
    weights : ndarray, shape (tensors, k)
    unexplained : float
        Energy left over all tensors.
    barred : ndarray, shape (k, q)
        Directions of weights about which the tensors say nothing.
    """

    method: Method
    resolution: str
    weights: Floats
    unexplained: float
    barred: Floats

    def coefficients(self, samples: Sequence[Sample]) -> list[Floats]:
        """Of the origin and the differences, for each tensor."""
        return [self.method.coefficients(sample, row) for sample, row in zip(samples, self.weights, strict=True)]


def fit(method: Method, samples: Sequence[Sample], resolution: str, barred: Floats) -> Fit:
    """Fit a method at a resolution."""
    count = samples[0].products.shape[1] - FIRST
    free = directions(count, fixed_sum=method.fixed_sum, without=barred)
    start = _start(method, count, barred)
    equations = [method.equations(sample) for sample in samples]
    groups: dict[Hashable, list[int]] = {}
    for place, sample in enumerate(samples):
        groups.setdefault(RESOLUTIONS[resolution](sample.standing), []).append(place)
    weights = np.zeros((len(samples), count))
    for places in groups.values():
        products = sum(equations[place][0].sum(axis=0) / samples[place].noise for place in places)
        targets = sum(equations[place][1].sum(axis=0) / samples[place].noise for place in places)
        weights[places] = solve(np.asarray(products), np.asarray(targets), free, start)
    unexplained = sum(
        residual(sample, method.coefficients(sample, row)) for sample, row in zip(samples, weights, strict=True)
    )
    return Fit(method=method, resolution=resolution, weights=weights, unexplained=unexplained, barred=barred)


def coarsest(finest: Fit, samples: Sequence[Sample], floor: float) -> Fit:
    """The coarsest fit of a method that explains as much as its finest does."""
    limit = AS_GOOD * finest.unexplained + SLACK * floor
    for resolution in RESOLUTIONS:
        if resolution == finest.resolution:
            break
        found = fit(finest.method, samples, resolution, finest.barred)
        if found.unexplained <= limit:
            return found
    return finest


def pooled(method: Method, samples: Sequence[Sample], barred: Floats) -> Estimate:
    """One set of weights for some tensors, with standard errors: tensors are the clusters, or blocks of few."""
    count = samples[0].products.shape[1] - FIRST
    free = directions(count, fixed_sum=method.fixed_sum, without=barred)
    equations = [(sample.noise, *method.equations(sample)) for sample in samples]
    products = np.stack([found / noise for noise, found, _ in equations])
    targets = np.stack([found / noise for noise, _, found in equations])
    if len(samples) < FEWEST_CLUSTERS:
        products, targets = products.reshape(-1, count, count), targets.reshape(-1, count)
    else:
        products, targets = products.sum(axis=1), targets.sum(axis=1)
    return estimate(products, targets, np.ones(len(products)), free, _start(method, count, barred))


def unrounded(found: Fit, samples: Sequence[Sample]) -> list[Sample]:
    """The samples with the model's values moved by the error that rounding makes of the fitted merge.

    Parents that lie a few roundings apart leave the rounded merge nearer to one of them than the merge is; what the
    fit itself loses in rounding shows by how much.
    """
    moved = []
    for sample, coefficients in zip(samples, found.coefficients(samples), strict=True):
        if sample.dtype in (None, "F32"):
            moved.append(sample)
            continue
        exact = sample.predicted(coefficients)
        seen = sample.changes()
        before = cross_products(seen, sample.blocks, len(sample.products))
        seen[MODEL] -= sample.rounded(exact) - exact
        after = cross_products(seen, sample.blocks, len(sample.products))
        scale = sample.count / seen.shape[1]
        moved.append(replace(sample, products=sample.products + scale * (after - before)))
    return moved


def reproduced(found: Fit, samples: Sequence[Sample]) -> float:
    """Share of the kept elements that the fitted merge, rounded as the model is, gives exactly."""
    hits = total = 0
    for sample, coefficients in zip(samples, found.coefficients(samples), strict=True):
        values = sample.rounded(sample.predicted(coefficients))
        hits += int(np.count_nonzero(values.astype(np.float32) == sample.columns[0]))
        total += len(values)
    return hits / max(total, 1)


def _start(method: Method, count: int, barred: Floats) -> Floats:
    """Equal weights where their sum is fixed, else none; without a part in directions that the data leave open."""
    return np.full(count, 1 / count) if method.fixed_sum else np.zeros(count)
