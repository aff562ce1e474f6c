"""Weights by layer and by role, each with its own intervals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from provenance.decomposition import collinearity
from provenance.decomposition.choice import Choice
from provenance.decomposition.fit import pooled
from provenance.decomposition.lineup import Standing
from provenance.decomposition.method import residual
from provenance.decomposition.result import Interval, Stretch
from provenance.decomposition.samples import Sample
from provenance.decomposition.sparse import Sparse, sparse_in

Floats = npt.NDArray[np.float64]

COARSEST = 2.0**-20
"""Relative error of a weight in a tool that computes in float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Where weights of layers and roles come from.

    Attributes
    ----------
    choice : Choice
    sparse : Sparse or None
    samples : sequence of Sample
        As they were read, with the parents that were kept.
    kept : sequence of int
        Their places among all parents.
    parents : int
        How many there are.
    """

    choice: Choice
    sparse: Sparse | None
    samples: Sequence[Sample]
    kept: Sequence[int]
    parents: int

    def by_layer(self) -> tuple[Stretch, ...]:
        """One entry a layer, then one for what lies outside of layers."""
        groups = self._groups(lambda standing: standing.layer)
        return tuple(self._stretch(places, layer=layer) for layer, places in groups)

    def by_role(self) -> tuple[Stretch, ...]:
        """One entry a role."""
        return tuple(self._stretch(places, role=role) for role, places in self._groups(lambda standing: standing.role))

    def _groups(self, key: Callable[[Standing], Any]) -> list[tuple[Any, list[int]]]:
        groups: dict[Any, list[int]] = defaultdict(list)
        for place, sample in enumerate(self.samples):
            groups[key(sample.standing)].append(place)
        return sorted(groups.items(), key=lambda item: (item[0] is None, item[0]))

    def _stretch(self, places: Sequence[int], *, layer: int | None = None, role: str | None = None) -> Stretch:
        found = self._dense(places) if self.sparse is None else self._sparse(places, self.sparse)
        weights: list[float | None] = [0.0] * self.parents
        intervals: list[Interval | None] = [None] * self.parents
        for place, parent in enumerate(self.kept):
            weights[parent] = None if found is None else float(found[0][place])
            if found is not None:
                intervals[parent] = float(found[1][place]), float(found[2][place])
        return Stretch(
            layer=layer,
            role=role,
            tensors=len(places),
            weights=tuple(weights),
            intervals=tuple(intervals),
            residual=None if found is None else found[3],
        )

    def _dense(self, places: Sequence[int]) -> tuple[Floats, Floats, Floats, float]:
        choice = self.choice
        estimate = pooled(choice.fit.method, [choice.samples[place] for place in places], choice.fit.barred)
        halves = estimate.halves() + drift(choice, places)
        low, high = collinearity.widened(estimate.weights, halves, choice.fit.barred)
        samples = [self.samples[place] for place in places]
        coefficients = [choice.fit.method.coefficients(self.samples[p], choice.fit.weights[p]) for p in places]
        return estimate.weights, low, high, relative_residual(samples, coefficients)

    def _sparse(self, places: Sequence[int], whole: Sparse) -> tuple[Floats, Floats, Floats, float] | None:
        samples = [self.samples[place] for place in places]
        found = sparse_in(samples, whole)
        if found is None:
            return None
        none = [np.zeros(1 + len(self.kept))] * len(samples)
        left = float(np.sqrt(found.left)) * relative_residual(samples, none)
        return found.weights, found.weights - found.halves, found.weights + found.halves, left


def drift(choice: Choice, places: Sequence[int]) -> Floats:
    """How far rounding, and the choice of round numbers, moved the weights of some tensors.

    That part of their error does not average out.
    """
    if not choice.fit.method.fitted:
        return np.zeros(choice.fit.weights.shape[1])
    at = list(places)
    found = choice.fit.weights[at]
    moved = np.abs(found - choice.plain.weights[at]) + np.abs(found - choice.uneven.weights[at])
    return np.asarray(moved.mean(axis=0) + COARSEST * np.abs(found).mean(axis=0))


def relative_residual(samples: Sequence[Sample], coefficients: Sequence[Floats]) -> float:
    """Norm of what is left, relative to the norm of the model's values."""
    left = sum(residual(sample, each) * sample.noise for sample, each in zip(samples, coefficients, strict=True))
    whole = sum(sample.squares for sample in samples)
    return float(np.sqrt(left / whole)) if whole > 0 else 0.0
