"""Everything that was observed about a pair, in one value: what verdicts and kinds are decided from."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from fingerprints.anatomy import Anatomy, Part
from fingerprints.axes import Faces
from fingerprints.checkpoint import Origin
from fingerprints.groups import AxisTest
from fingerprints.inventory import Inventory
from fingerprints.kernels import bonferroni, log10_two_sided
from fingerprints.measurement import Measurement, TensorMeasurement
from fingerprints.pairing import Pair, Pairing
from fingerprints.signals.tensor_digest import Equality
from fingerprints.wiring import RECURRENT
from provenance.result import rounded


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One checkpoint as far as it was read."""

    origin: Origin
    anatomy: Anatomy
    inventory: Inventory
    dtypes: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What was observed.

    Attributes
    ----------
    a, b : Side
        The two checkpoints.
    pairing : Pairing
        Counterparts.
    measurement : Measurement
        What was measured on them.
    equalities : mapping
        Equality of each looked-at pair by name in A: over all values where they were read, else over the sample.
    alpha : float
        Level for corrected p-values.
    undecided_renames : int
        Renamed tensors whose partner the weights could not settle.
    change_rank_share : float or None
        Median share of singular values that hold 99 % of the change; None where nothing changed or was not computed.
    """

    a: Side
    b: Side
    pairing: Pairing
    measurement: Measurement
    equalities: Mapping[str, Equality]
    alpha: float
    undecided_renames: int = 0
    change_rank_share: float | None = None

    def with_change(self, rank_share: float | None) -> Observation:
        """The same observation, with the shape of the change."""
        return replace(self, change_rank_share=rank_share)

    @cached_property
    def pair_of(self) -> Mapping[str, Pair]:
        """Pairs by name in A."""
        return {pair.a.name: pair for pair in self.pairing.pairs}

    @cached_property
    def measured(self) -> Mapping[str, TensorMeasurement]:
        """Looked-at tensors by name in A, learned on both sides."""
        return {
            item.pair.a.name: item
            for item in self.measurement.tensors
            if item.not_learned is None and self._counts(item.pair)
        }

    def _counts(self, pair: Pair) -> bool:
        return pair.a.name not in self.a.inventory.set_aside and pair.b.name not in self.b.inventory.set_aside

    @property
    def hypotheses(self) -> int:
        """Number of p-values computed: T and F of every test."""
        return 2 * len(self.measurement.tests)

    def corrected(self, test: AxisTest) -> float:
        """log10 of a test's smaller p-value, corrected for every hypothesis tried, rounded as reported."""
        return rounded(bonferroni(test.log10_p, self.hypotheses))

    @property
    def log10_alpha(self) -> float:
        """log10 of the level."""
        return math.log10(self.alpha)

    def is_dependent(self, test: AxisTest) -> bool:
        """Whether a test's corrected p-value is below alpha."""
        return self.corrected(test) < self.log10_alpha

    @cached_property
    def dependent_tests(self) -> tuple[AxisTest, ...]:
        """All tests below alpha."""
        return tuple(test for test in self.measurement.tests if self.is_dependent(test))

    @cached_property
    def two_axis_dependence(self) -> bool:
        """Whether some dependent test looks at two axes of the models' own: more than an aligned output axis."""
        return any(test.faces is Faces.PRIVATE and test.statistics.z > 0 for test in self.dependent_tests)

    @cached_property
    def matrix_effects(self) -> Mapping[str, float]:
        """Median matched cosine of each tested matrix by name in A: of its dependent axes, else of any."""
        found: dict[str, list[tuple[bool, float]]] = defaultdict(list)
        for test in self.measurement.tests:
            if test.scope == "tensor":
                found[test.tensors[0]].append((self.is_dependent(test), test.statistics.effect))
        return {name: max(values)[1] for name, values in found.items()}

    @cached_property
    def dependent_tensors(self) -> frozenset[str]:
        """Names in A of looked-at tensors that are dependent: by a test of their own, by rank, or by equality."""
        names = {test.tensors[0] for test in self.dependent_tests if test.scope == "tensor" and test.statistics.z > 0}
        names |= self.equal_tensors
        for name, item in self.measured.items():
            if item.rank_correlation is not None and item.rank_correlation > 0 and self._interchangeable(item.pair.a):
                count = min(item.pair.a.info.size, item.pair.b.info.size)
                log10_p = log10_two_sided(item.rank_correlation * math.sqrt(max(count - 1, 0)))
                if bonferroni(log10_p, self.hypotheses + len(self.measured)) < self.log10_alpha:
                    names.add(name)
        return frozenset(names & self.measured.keys())

    @cached_property
    def equal_tensors(self) -> frozenset[str]:
        """Names in A of learned tensors whose compared values are all equal to their counterpart's."""
        return frozenset(
            name for name in self.measured if self.equalities[name].identical and self._same_shape(self.pair_of[name])
        )

    @staticmethod
    def _same_shape(pair: Pair) -> bool:
        return pair.a.shape == pair.b.shape

    def role_of(self, name: str) -> str:
        """The role group of a tensor of A: its template, which stands for one role in all layers."""
        return self.pair_of[name].a.template

    def _interchangeable(self, vector: Part) -> bool:
        """Whether the entries of a vector are units that training treats alike: of the residual stream, of an MLP, of
        a hidden layer that was tested, or of a norm in front of or behind one.
        """
        if vector.axes:
            return vector.axes[0] in ("residual", "neuron")
        if RECURRENT.search(vector.name):
            return False
        return vector.module in self._hidden_modules or vector.module not in self._matrix_modules

    @cached_property
    def _matrix_modules(self) -> frozenset[str]:
        return frozenset(part.module for part in self.a.anatomy.parts.values() if len(part.shape) > 1)

    @cached_property
    def _hidden_modules(self) -> frozenset[str]:
        """Modules whose outputs are hidden units, one row each."""
        return frozenset(
            self.a.anatomy.parts[test.tensors[0]].module
            for test in self.measurement.tests
            if test.scope == "tensor" and test.axis.endswith("axis 0")
        )

    @cached_property
    def agreement(self) -> tuple[float | None, float | None]:
        """Median rank correlation of gains and of biases with interchangeable indices, weighted by length."""
        values: dict[str, list[tuple[float, int]]] = defaultdict(list)
        for item in self.measured.values():
            part = item.pair.a
            if item.rank_correlation is None or part.kind not in ("gain", "bias") or not self._interchangeable(part):
                continue
            values[part.kind].append((item.rank_correlation, part.info.size))
        return weighted_median(values["gain"]), weighted_median(values["bias"])


def weighted_median(values: list[tuple[float, int]]) -> float | None:
    """Lower weighted median of (value, weight) pairs, rounded as reported; None for none."""
    if not values:
        return None
    total = sum(weight for _, weight in values)
    seen = 0
    for value, weight in sorted(values):
        seen += weight
        if 2 * seen >= total:
            return rounded(value)
    raise AssertionError("weights are positive")
