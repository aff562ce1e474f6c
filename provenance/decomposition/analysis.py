"""What the samples show: equality with a parent, the weights of a combination, and whether it explains the model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from provenance.decomposition import collinearity
from provenance.decomposition.choice import Choice, choose
from provenance.decomposition.curves import drift, relative_residual
from provenance.decomposition.fit import pooled, reproduced
from provenance.decomposition.lineup import Lineup
from provenance.decomposition.method import residual
from provenance.decomposition.samples import Sample, of_parents
from provenance.decomposition.sparse import Sparse, coarseness, find_sparse
from provenance.decomposition.task_vectors import TaskArithmetic
from provenance.thresholds import thresholds

Floats = npt.NDArray[np.float64]


class Analysis:
    """One model, its parents that fit, and what was read of them.

    Parameters
    ----------
    lineup : Lineup
    samples : sequence of Sample
        With all fitting parents, and the base as origin where there is one.
    based : bool
    """

    def __init__(self, lineup: Lineup, samples: Sequence[Sample], *, based: bool) -> None:
        self.lineup, self.samples, self.based = lineup, samples, based
        self.count = samples[0].columns.shape[0] - 2

    @cached_property
    def equal_to(self) -> tuple[int, ...]:
        """Parents whose values the model holds in every tensor; the number of parents stands for the base."""
        places = range(self.count + self.based)
        return tuple(each for each in places if all(self._equal(sample, each) for sample in self.samples))

    @cached_property
    def scattered(self) -> bool:
        """Whether each tensor is some parent's, of more than one."""
        places = range(self.count)
        each = [any(self._equal(sample, place) for place in places) for sample in self.samples]
        return all(each) and not self.equal_to

    @staticmethod
    def _equal(sample: Sample, place: int) -> bool:
        return int(sample.equal[place]) == sample.compared

    @property
    def floor(self) -> float:
        """What rounding leaves, in its own units: the number of elements."""
        return float(sum(sample.count for sample in self.samples))

    @cached_property
    def parents_floor(self) -> float:
        """What the rounding of the parents (and the base) leaves where M was merged from wider originals of them."""
        weights = self.bounds[0]
        squares = np.append(np.square(weights), (1 - weights.sum()) ** 2 if self.based else 0.0)
        return float(sum(sample.count * (squares @ sample.parent_noise) / sample.noise for sample in self.samples))

    @cached_property
    def distances(self) -> tuple[float, ...]:
        """Squared distance of the model to each parent (and the base), in units of rounding."""
        ends = [np.eye(self.count)[place] for place in range(self.count)]
        ends += [np.zeros(self.count)] if self.based else []
        return tuple(sum(residual(s, np.concatenate([[0.0], end])) for s in self.samples) for end in ends)

    @cached_property
    def barred(self) -> tuple[Floats, Floats]:
        """Directions of the weights that nothing is known about: with a fixed sum, and without."""
        fixed = collinearity.barred(self.samples, fixed_sum=True)
        return fixed, (collinearity.barred(self.samples, fixed_sum=False) if self.based else fixed)

    @cached_property
    def first(self) -> Choice:
        """The best combination of all parents."""
        return choose(self.samples, self.barred, based=self.based)

    @cached_property
    def kept(self) -> tuple[int, ...]:
        """Parents with a weight."""
        limits = thresholds()
        weights, low, high = self._bounds(self.first)
        kept = tuple(
            place
            for place in range(self.count)
            if abs(weights[place]) > limits.merge_no_weight
            and not (
                low[place] <= 0 <= high[place]
                and max(abs(low[place]), abs(high[place])) <= 2 * limits.merge_little_weight
            )
        )
        return kept if kept and not self.first.fit.barred.size else tuple(range(self.count))

    @cached_property
    def kept_samples(self) -> list[Sample]:
        """The samples with these parents only."""
        return [of_parents(sample, self.kept) for sample in self.samples]

    @cached_property
    def choice(self) -> Choice:
        """The best combination of the parents that have a weight."""
        if len(self.kept) == self.count:
            return self.first
        none = np.zeros((len(self.kept), 0))
        return choose(self.kept_samples, (none, none), based=self.based)

    @cached_property
    def sparse(self) -> Sparse | None:
        """A merge that drops elements, where no combination leaves rounding alone."""
        if (
            not self.based
            or self.choice.fit.unexplained <= thresholds().merge_rounding * self.floor
            or self.choice.fit.barred.size
        ):
            return None
        none = np.zeros((len(self.kept), 0))
        return find_sparse(self.kept_samples, pooled(TaskArithmetic(), self.kept_samples, none).weights)

    @property
    def unexplained(self) -> float:
        """Squared distance that is left, in units of rounding."""
        if self.sparse is not None:
            return self.sparse.left * self.distances[-1]
        return self.choice.fit.unexplained

    @property
    def explained(self) -> float:
        """Share of the squared distance to the nearest parent that the combination takes away."""
        nearest = min(self.distances)
        return max(0.0, 1 - self.unexplained / nearest) if nearest > 0 else 0.0

    @property
    def merged(self) -> bool:
        """Whether the model is a combination of at least two of these checkpoints, the base counted."""
        if self.sparse is not None:
            return True
        limits = thresholds()
        enough = (
            self.unexplained <= limits.merge_rounding * (self.floor + self.parents_floor)
            or self.explained >= 1 - limits.merge_unexplained
        )
        weights = self.bounds[0]
        several = len(self.kept) > 1 or (
            self.based and abs(float(weights[self.kept[0]]) - 1) > limits.merge_little_weight
        )
        return enough and several and self.unexplained < limits.merge_step * min(self.distances)

    @cached_property
    def bounds(self) -> tuple[Floats, Floats, Floats]:
        """Weights of all parents, and the ends of their 95 % intervals."""
        weights, low, high = self._bounds(self.first)
        if self.sparse is None and len(self.kept) == self.count:
            return weights, low, high
        places = list(self.kept)
        if self.sparse is not None:
            found, halves = self.sparse.weights, self.sparse.halves
            weights[places], low[places], high[places] = found, found - halves, found + halves
        else:
            weights[places], low[places], high[places] = self._bounds(self.choice)
        return weights, low, high

    def _bounds(self, choice: Choice) -> tuple[Floats, Floats, Floats]:
        found = choice.fit
        estimate = pooled(found.method, choice.samples, found.barred)
        weights = estimate.weights
        if found.resolution == "model" and found.method.fitted:
            weights = found.weights[0].copy()
        halves = estimate.halves() + drift(choice, range(len(choice.samples)))
        if found.method.name not in ("linear", "slerp"):
            halves = halves + coarseness(choice.samples) * np.abs(weights)
        low, high = collinearity.widened(weights, halves, found.barred)
        return weights, low, high

    @property
    def residual(self) -> float:
        """Norm of what is left, relative to the norm of the model's values."""
        if self.sparse is not None:
            none = [np.zeros(1 + len(self.kept))] * len(self.samples)
            return float(np.sqrt(self.sparse.left)) * relative_residual(self.kept_samples, none)
        return relative_residual(self.kept_samples, self.choice.fit.coefficients(self.kept_samples))

    @property
    def rounding(self) -> float:
        """Norm of what storing the model in its type leaves, relative to the norm of its values."""
        whole = sum(sample.squares for sample in self.samples)
        left = sum(sample.count * sample.noise for sample in self.samples)
        return float(np.sqrt(left / whole)) if whole > 0 else 0.0

    @property
    def reproduced(self) -> float | None:
        """Share of the values that the combination gives exactly; not known where elements are dropped at random."""
        return None if self.sparse is not None else reproduced(self.choice.fit, self.kept_samples)
