"""The method that explains a model, of those that keep every element: the simplest that does as well as any."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from provenance.decomposition.fit import RESOLUTIONS, Fit, coarsest, fit, unrounded
from provenance.decomposition.linear import Linear
from provenance.decomposition.method import Method
from provenance.decomposition.samples import Sample
from provenance.decomposition.spherical import Spherical, SphericalOnBase
from provenance.decomposition.task_vectors import ModelStock, TaskArithmetic
from provenance.thresholds import thresholds

Floats = npt.NDArray[np.float64]

ROUNDS = 4
AS_GOOD = 1.3
SLACK = 0.02
"""Of what rounding explains: what two methods may differ by without one being better."""
NEAR = 1.5
DECIMALS = (1, 2, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A fitted method, what it fails to give exactly, and the samples with the effect of rounding taken out."""

    fit: Fit
    missed: float
    samples: tuple[Sample, ...]
    plain: Fit
    """The same fit to the samples as they are: what rounding made of it."""
    uneven: Fit
    """The fit before round numbers were preferred."""


def methods(count: int, *, based: bool) -> list[Method]:
    """The methods for so many parents, with or without a base, simplest first."""
    found: list[Method] = [Linear()]
    if count == 2:
        found.append(Spherical())
    if based:
        if count > 1:
            found.append(ModelStock())
        if count == 2:
            found.append(SphericalOnBase())
        found.append(TaskArithmetic())
    return found


def choose(samples: Sequence[Sample], barred: Sequence[Floats], *, based: bool) -> Choice:
    """Fit every method and take the simplest of the best.

    Parameters
    ----------
    samples : sequence of Sample
    barred : pair of ndarray
        Directions of the weights that tell nothing: where their sum is fixed, and where it is not.
    based : bool
        Whether the origin is a base.
    """
    count = samples[0].columns.shape[0] - 2
    floor = float(sum(sample.count for sample in samples))
    finest = [fit(each, samples, "tensor", barred[not each.fixed_sum]) for each in methods(count, based=based)]
    least = min(each.unexplained for each in finest)
    near = [each for each in finest if each.unexplained <= NEAR * least + floor]
    refined = [_refined(coarsest(each, samples, floor), samples) for each in near]
    best = min(each.missed for each in refined)
    return next(each for each in refined if each.missed <= AS_GOOD * best + SLACK * floor)


def missed(found: Fit, samples: Sequence[Sample]) -> float:
    """Energy of what the rounded merge differs by from the model, in units of what rounding does to an element."""
    total = 0.0
    for sample, coefficients in zip(samples, found.coefficients(samples), strict=True):
        left = sample.rounded(sample.predicted(coefficients)) - sample.columns[0]
        total += float(left @ left) * sample.count / len(left) / sample.noise
    return total


def _uniform(found: Fit, samples: Sequence[Sample]) -> Fit:
    """The fit with the commonest weights wherever they do as well as its own: small tensors tell little."""
    rows = [tuple(row) for row in found.weights.tolist()]
    common = np.array(max(rows, key=rows.count))
    weights = found.weights.copy()
    groups: dict[Hashable, list[int]] = {}
    for place, sample in enumerate(samples):
        groups.setdefault(RESOLUTIONS[found.resolution](sample.standing), []).append(place)
    for places in groups.values():
        part = [samples[place] for place in places]
        now = replace(found, weights=found.weights[places])
        then = replace(found, weights=np.tile(common, (len(places), 1)))
        if missed(then, part) <= AS_GOOD * missed(now, part) + SLACK * sum(sample.count for sample in part):
            weights[places] = common
    return replace(found, weights=weights)


def _refined(plain: Fit, samples: Sequence[Sample]) -> Choice:
    """Take the effect of rounding out, then prefer round numbers, as people give them, where they do as well."""
    best, moved = plain, tuple(samples)
    left = missed(plain, samples)
    current = plain
    for _ in range(ROUNDS):
        shifted = tuple(unrounded(current, samples))
        current = fit(plain.method, shifted, plain.resolution, plain.barred)
        now = missed(current, samples)
        if now < left:
            best, left, moved = current, now, shifted
    uneven = best
    floor = float(sum(sample.count for sample in samples))
    if plain.method.fitted and not plain.barred.size and left <= thresholds().merge_rounding * floor:
        for decimals in DECIMALS:
            even = replace(best, weights=np.round(best.weights, decimals) + 0.0)
            if (now := missed(even, samples)) <= 1.02 * left + 1e-3 * floor:
                best, left = even, now
                break
        best = _uniform(best, samples)
        left = missed(best, samples)
    return Choice(fit=best, missed=left, samples=moved, plain=plain, uneven=uneven)
