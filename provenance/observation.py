"""Everything that was observed about a pair, in one value: what verdicts and kinds are decided from."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from fingerprints.alignment.alignment import Alignment
from fingerprints.alignment.disguise import Undone
from fingerprints.alignment.vocabulary_match import VocabularyMatch
from fingerprints.anatomy import Anatomy, Part
from fingerprints.axes import Faces
from fingerprints.change import TensorChange
from fingerprints.checkpoint import Origin
from fingerprints.groups import AxisTest
from fingerprints.inventory import Inventory
from fingerprints.kernels import bonferroni, log10_two_sided
from fingerprints.kernels.index_test import FEWEST_UNITS
from fingerprints.measurement import Measurement, TensorMeasurement
from fingerprints.pairing import Pair, Pairing
from fingerprints.samples import SampleSettings
from fingerprints.signals.neuron_profile import NeuronProfile
from fingerprints.signals.tensor_digest import Equality
from fingerprints.wiring import RECURRENT
from provenance.medians import weighted_median
from provenance.result import rounded
from provenance.searches import Outcome, Search
from provenance.thresholds import thresholds

PROFILE = NeuronProfile.name
BORNE_OUT = -3.0
"""log10 of the p-value that both axes of one matrix must reach for a group of unknown wiring to count."""


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
    sample : SampleSettings
        How much was looked at.
    undecided_renames : int
        Renamed tensors whose partner the weights could not settle.
    earlier_hypotheses : int
        p-values of other samples and looks of the same pair, which count as well.
    earlier_log10_p : float or None
        The smallest p-value, not corrected, of the looks that showed a relation; 0 where no test of theirs is exact.
    changes : tuple of TensorChange
        What the changes of dependent matrices look like.
    alignment : Alignment or None
        The maps of layers, experts and units through which the two sides were looked at.
    undone : Undone or None
        The bases of residual streams and heads that were found and undone for that.
    adopted : Pairing or None
        Where the names of one side say nothing in any basis: the counterparts that weights joined, as they are stored.
    searches : tuple of Search
        The searches for maps and bases that could be made, and what became of each.
    searchable : bool
        Searches for bases leave little of either side out.
    table_agreement : float or None
        Median cosine of rows of two embeddings in the best common basis, outside of its fit, where nothing else was
        found.
    moved_dimensions : float or None
        Share of the dimensions of two embeddings that both halves of the tokens match alike, whatever their numbers,
        where nothing else was found.
    searched_agreement : float
        The largest of `agreements` in any look that showed no relation.
    vocabulary : VocabularyMatch or None
        Which tokens are on both sides; None where there are none, or nothing tells.
    """

    a: Side
    b: Side
    pairing: Pairing
    measurement: Measurement
    equalities: Mapping[str, Equality]
    alpha: float
    sample: SampleSettings
    undecided_renames: int = 0
    earlier_hypotheses: int = 0
    earlier_log10_p: float | None = None
    changes: tuple[TensorChange, ...] = ()
    alignment: Alignment | None = None
    undone: Undone | None = None
    adopted: Pairing | None = None
    searches: tuple[Search, ...] = ()
    searchable: bool = False
    table_agreement: float | None = None
    moved_dimensions: float | None = None
    searched_agreement: float = 0.0
    vocabulary: VocabularyMatch | None = None

    @property
    def searched_bases(self) -> bool:
        """Whether every search for maps and bases was made."""
        return self.searchable and all(search.outcome is Outcome.MADE for search in self.searches)

    @property
    def structural(self) -> bool:
        """Whether a map explains a difference of depth, width or experts."""
        return self.alignment is not None and any(tower.changes_structure for tower in self.alignment.towers)

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

    @cached_property
    def hypotheses(self) -> int:
        """Number of p-values computed: T and F of every test."""
        return self.earlier_hypotheses + 2 * sum(test.exact for test in self.measurement.tests)

    @property
    def log10_level(self) -> float:
        """log10 of the uncorrected p-value that a single test must reach."""
        return self.log10_alpha - math.log10(max(self.hypotheses, 1))

    def corrected(self, test: AxisTest) -> float:
        """log10 of a test's smaller p-value, corrected for every hypothesis tried, rounded as reported.

        Where the wiring is unknown, one axis may have been misjudged: a matrix with two tested axes then counts with
        the larger of both p-values, which is valid if either axis is interchangeable, and a group only when the two
        axes of one of its matrices bear it out.
        """
        log10_p = self._log10_p(test)
        if not test.exact:
            return 0.0
        if not test.family:
            if test.scope == "tensor":
                log10_p = max(self._log10_p(other) for other in self._tests_of[test.tensors[0]])
            else:
                both = [tests for name in test.tensors if len(tests := self._tests_of[name]) > 1]
                if both and min(max(map(self._log10_p, tests)) for tests in both) > BORNE_OUT:
                    log10_p = 0.0
        return rounded(bonferroni(log10_p, self.hypotheses))

    def _log10_p(self, test: AxisTest) -> float:
        """Of T and F; of F alone for the negative z that shared zero masks can leave."""
        if test.statistics.z < 0 and not self.masked.isdisjoint(test.tensors):
            return test.statistics.log10_p_hits
        return test.log10_p

    @cached_property
    def masked(self) -> frozenset[str]:
        """Names in A of tensors whose zeros stand at the same places on both sides."""
        return frozenset(item.pair.a.name for item in self.measurement.tensors if item.shared_zeros)

    @cached_property
    def _tests_of(self) -> Mapping[str, list[AxisTest]]:
        """Tests of single tensors by name in A."""
        found: dict[str, list[AxisTest]] = defaultdict(list)
        for test in self.measurement.tests:
            if test.scope == "tensor":
                found[test.tensors[0]].append(test)
        return found

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
        """Whether some dependent test looks at two axes of the models' own: more than an aligned output axis, and
        more than a table that both may have from elsewhere.
        """
        return any(test.faces is Faces.PRIVATE and test.statistics.z > 0 for test in self.telling_tests)

    @cached_property
    def telling_tests(self) -> tuple[AxisTest, ...]:
        """Dependent tests that do not rest on tables alone."""
        return tuple(test for test in self.dependent_tests if not self.by_tables_alone(test))

    def by_tables_alone(self, test: AxisTest) -> bool:
        """Whether all tensors that make a test dependent are equal ones that may never have been learned."""
        dependent = self.dependent_tensors.intersection(test.tensors)
        return bool(dependent) and dependent <= self.lone_tensors

    @cached_property
    def lone_tensors(self) -> frozenset[str]:
        """Names in A of equal tensors that need not have been learned: of no known role or a table of positions,
        and not one of a chain.

        Content alone cannot tell a random projection, an adjacency matrix or a scaler from a trained layer. Two equal
        matrices of which one takes what the other gives can only be trained layers.
        """
        unknown = {
            name: part
            for name in self.equal_tensors
            if not (part := self.pair_of[name].a).axes or part.axes[0] == "position"
        }
        matrices = [part for part in unknown.values() if len(part.shape) > 1 and min(part.shape[:2]) >= FEWEST_UNITS]
        chained = {
            part.name
            for one in matrices
            for other in matrices
            if one.name != other.name and other.shape[1] in (one.shape[0], one.shape[0] // 4, one.shape[0] // 3)
            for part in (one, other)
        }
        modules = {unknown[name].module for name in chained}
        return frozenset(name for name, part in unknown.items() if part.module not in modules)

    @cached_property
    def turned_tensors(self) -> frozenset[str]:
        """Names in A of matrices of which only angles between neurons agree: they read a stream in another basis."""
        names = {test.tensors[0] for test in self.dependent_tests if test.scope == "tensor" and test.signal == PROFILE}
        others = {test.tensors[0] for test in self.dependent_tests if test.scope == "tensor" and test.signal != PROFILE}
        return frozenset(names - others - self.equal_tensors)

    @cached_property
    def unturned_tensors(self) -> frozenset[str]:
        """Names in A of tensors of unknown role along a stream that was turned back: nothing says how to turn them."""
        # A side whose names say nothing has its towers in the anatomy that it was looked at through.
        towers = (self.alignment.anatomies[0] if self.alignment is not None else self.a.anatomy).towers
        widths = {towers[path].residual for path in (self.undone.bases if self.undone else ())}
        return frozenset(
            pair.a.name for pair in self.pairing.pairs if pair.a.role is None and widths & set(pair.a.shape)
        )

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
        if self.dependent_tests or self.borne_out:
            names |= self.aligned_tensors
        for name, item in self.measured.items():
            if item.rank_correlation is not None and item.rank_correlation > 0 and self._interchangeable(item.pair.a):
                log10_p = log10_two_sided(item.rank_correlation * math.sqrt(max(item.ranked - 1, 0)))
                if bonferroni(log10_p, self.hypotheses + len(self.measured)) < self.log10_alpha:
                    names.add(name)
        return frozenset(names & self.measured.keys())

    @cached_property
    def borne_out(self) -> bool:
        """Whether neurons that were matched by what they read are matched alike by what they pass on, in most layers.

        No exact test exists where both the neurons' order and the basis of the residual stream were searched. The
        neurons of strangers agree by chance, and more so in a first layer, which is left out.
        """
        least = thresholds().channel_agreement if self.channel_agreements else thresholds().agreement
        return 2 * sum(share >= least for share in self.agreements) >= max(1, len(self.agreements))

    @cached_property
    def agreements(self) -> tuple[float, ...]:
        """Share of the neurons on whose counterparts what they read and what they pass on agree, by layer, without the
        first layer where there are more; empty where no search matched neurons in a searched basis.
        """
        layers = self.agreement_by_layer
        kept = [layer for layer in layers if len(layers) == 1 or not self.is_first(layer)]
        return (*(layers[layer] for layer in kept), *self.channel_agreements.values())

    @property
    def channel_agreements(self) -> Mapping[str, float]:
        """The same of the channels that a layer of a network without towers takes in, by name in A."""
        maps = self.alignment.channels if self.alignment is not None else ()
        return {each.pair.a.name: rounded(each.agreement) for each in maps if each.agreement is not None}

    @cached_property
    def agreement_by_layer(self) -> Mapping[tuple[str, int], float]:
        """The same of all layers, by A's tower and the layer's number."""
        found: dict[tuple[str, int], list[float]] = defaultdict(list)
        for tower in self.alignment.towers if self.alignment is not None else ():
            if tower.searched_residual:
                for units in tower.units:
                    if units.map.agreement is not None:
                        found[tower.path_a, units.layers[0]].append(units.map.agreement)
        return {layer: rounded(sum(found[layer]) / len(found[layer])) for layer in sorted(found)}

    def is_first(self, layer: tuple[str, int]) -> bool:
        """Whether a layer is the first one of its tower with an agreement."""
        return layer[1] == min(number for path, number in self.agreement_by_layer if path == layer[0])

    @cached_property
    def aligned_tensors(self) -> frozenset[str]:
        """Names in A of tensors whose matched units agree more than the units of one tensor by chance, where they were
        matched by a search and the agreement is no exact test. They count once an exact test has shown dependence.
        """
        level = self.log10_level
        return frozenset(
            test.tensors[0]
            for test in self.measurement.tests
            if test.scope == "tensor" and not test.exact and test.statistics.z > 0
            if min(test.statistics.log10_p_statistic, test.statistics.log10_p_hits) < level
        )

    @cached_property
    def equal_tensors(self) -> frozenset[str]:
        """Names in A of learned tensors whose compared values are all equal to their counterpart's."""
        return frozenset(
            name
            for name, item in self.measured.items()
            if self.equalities[name].identical and item.pair.a.shape == item.pair.b.shape
        )

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
        modules = {item.pair.a.name: item.pair.a.module for item in self.measurement.tensors}
        return frozenset(
            modules[test.tensors[0]]
            for test in self.measurement.tests
            if test.scope == "tensor" and test.axis.endswith("axis 0")
        )

    @cached_property
    def rank_correlations(self) -> Mapping[str, Sequence[tuple[float, int]]]:
        """Rank correlations of gains and of biases with interchangeable indices, each with its tensor's length."""
        values: dict[str, list[tuple[float, int]]] = {"gain": [], "bias": []}
        for item in self.measured.values():
            part = item.pair.a
            if item.rank_correlation is not None and part.kind in values and self._interchangeable(part):
                values[part.kind].append((item.rank_correlation, part.info.size))
        return values

    @property
    def agreement(self) -> tuple[float | None, float | None]:
        """Median rank correlation of gains and of biases, weighted by length."""
        return weighted_median(self.rank_correlations["gain"]), weighted_median(self.rank_correlations["bias"])
