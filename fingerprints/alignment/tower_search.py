"""The search for what stands for what in two towers: layers, experts, residual dimensions, neurons and attention rows.

A search sees the half of the residual dimensions that tests leave alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from fingerprints.alignment.axis_map import AxisMap, Floats32, identity_map
from fingerprints.alignment.counterparts import counterparts
from fingerprints.alignment.experts import ExpertMap, match_experts, mlps_of, same_numbers
from fingerprints.alignment.layer_map import LayerMap, find_layer_map
from fingerprints.alignment.layer_sketch import likeness, writes_nothing
from fingerprints.alignment.layer_units import CHEAP, match_layer_units
from fingerprints.alignment.output_heads import follow_output
from fingerprints.alignment.residual import match_residual
from fingerprints.alignment.stacks import StackPair
from fingerprints.alignment.tower_map import UNITS, TowerMap, UnitMap, own_units
from fingerprints.anatomy import Anatomy
from fingerprints.checkpoint import Checkpoint
from fingerprints.pairing import Pair, Pairing
from fingerprints.sampling import Half, Ints, in_half, spread

OUTPUT = "attn_out"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentSettings:
    """`everywhere` searches also where numbers and lengths agree; `layers` bounds the layers whose units are matched
    (None: all); `seed` moves sampled positions. `residual` gives maps of residual streams that are known already, by
    A's tower; `rebased` towers were brought into one basis by a search.
    """

    everywhere: bool = False
    layers: int | None = None
    seed: int = 0
    residual: Mapping[str, AxisMap] = field(default_factory=dict)
    rebased: frozenset[str] = frozenset()


class TowerSearch:
    """The steps of one alignment and what they share.

    Parameters
    ----------
    anatomies, checkpoints : pair
        A's and B's, fused matrices taken apart.
    pairing : Pairing
        From names, roles and shapes.
    settings : AlignmentSettings
        How much to search.
    """

    def __init__(
        self,
        anatomies: tuple[Anatomy, Anatomy],
        checkpoints: tuple[Checkpoint, Checkpoint],
        pairing: Pairing,
        settings: AlignmentSettings,
    ) -> None:
        self.anatomies = anatomies
        self.a, self.b = checkpoints
        self.pairing = pairing
        self.settings = settings
        self.stacks: dict[str, StackPair] = {}

    def tower(self, stacks: StackPair) -> TowerMap | None:
        """All maps of one pair of towers."""
        everywhere, seed = self.settings.everywhere, self.settings.seed
        lengths = self.anatomies[0].towers[stacks.a.path].residual, self.anatomies[1].towers[stacks.b.path].residual
        residual = self.settings.residual.get(stacks.a.path)
        searched_residual = residual is not None or lengths[0] != lengths[1] or stacks.a.path in self.settings.rebased
        if residual is None and lengths[0] == lengths[1]:
            residual = identity_map(lengths[0])
        if residual is None:
            outside = [pair for pair in self.pairing.pairs if pair.a.tower == stacks.a.path and pair.a.layer is None]
            inside = [pair for pair in self.pairing.pairs if pair.a.tower == stacks.a.path and pair.a.layer is not None]
            same_depth = stacks.a.layers.keys() == stacks.b.layers.keys()
            known = outside + inside if same_depth else outside
            residual = match_residual(known, self.a, self.b, lengths=lengths, seed=seed)
        if residual is None or not residual.credible:
            return None
        searched_layers = everywhere or stacks.a.layers.keys() != stacks.b.layers.keys()
        layers = self._layers(stacks, residual) if searched_layers else _same_layers(stacks)
        if layers is None:
            return None
        self.stacks[stacks.a.path] = stacks
        experts = {pair: found for pair in layers.pairs if (found := self._experts(stacks, pair, residual))}
        return TowerMap(
            path_a=stacks.a.path,
            path_b=stacks.b.path,
            layers=layers,
            residual=residual,
            experts=experts,
            units=tuple(self._units(stacks, layers, experts, residual)),
            numbers_a=tuple(stacks.a.layers),
            numbers_b=tuple(stacks.b.layers),
            silent=self._silent(stacks, layers),
            sampled=frozenset(layers.pairs[place] for place in self._sampled(layers)),
            searched_layers=searched_layers,
            searched_residual=searched_residual,
        )

    def _sampled(self, layers: LayerMap) -> Ints:
        """Places of the layers whose units are matched."""
        limit = self.settings.layers
        return spread(len(layers.pairs), len(layers.pairs) if limit is None else limit)

    def _layers(self, stacks: StackPair, residual: AxisMap) -> LayerMap | None:
        table = likeness(stacks, self.a, self.b, _for_search(residual), seed=self.settings.seed)
        return find_layer_map(table, list(stacks.a.layers), list(stacks.b.layers))

    def _silent(self, stacks: StackPair, layers: LayerMap) -> tuple[int, ...]:
        place = int(layers.depth_b > layers.depth_a)
        stack, checkpoint = ((stacks.a, self.a), (stacks.b, self.b))[place]
        left = [layer for layer in stack.layers if layer not in {pair[place] for pair in layers.pairs}]
        return tuple(layer for layer in left if writes_nothing(stack, layer, checkpoint))

    def _experts(self, stacks: StackPair, pair: tuple[int, int], residual: AxisMap) -> ExpertMap | None:
        ours, theirs = mlps_of(stacks.a.layers[pair[0]]), mlps_of(stacks.b.layers[pair[1]])
        if not ours or not theirs or (ours.keys() == theirs.keys() == {None}):
            return None
        if ours.keys() == theirs.keys() and not self.settings.everywhere:
            return same_numbers(ours, theirs)
        return match_experts(ours, theirs, self.a, self.b, _for_search(residual))

    def _units(
        self,
        stacks: StackPair,
        layers: LayerMap,
        experts: Mapping[tuple[int, int], ExpertMap],
        residual: AxisMap,
    ) -> Iterator[UnitMap]:
        for place in self._sampled(layers):
            pair = layers.pairs[place]
            axes: dict[tuple[tuple[int | None, int | None], str, str], list[Pair]] = {}
            for found in counterparts(stacks, pair, experts.get(pair)):
                for meaning in UNITS:
                    if len(found.a.shape) == 2 and found.a.axes == found.b.axes and meaning in found.a.axes:
                        if found.a.axes.count("residual") != 1:
                            continue
                        key = (found.a.expert, found.b.expert), meaning, own_units(found.a, meaning)
                        axes.setdefault(key, []).append(found)
            output: AxisMap | None = None
            for (pair_of_experts, meaning, role), pairs in sorted(axes.items(), key=lambda item: item[0][2] != OUTPUT):
                lengths = [part.shape[part.axes.index(meaning)] for part in (pairs[0].a, pairs[0].b)]
                if not self.is_sought(pairs[0], meaning):
                    continue
                matched, factors = self._match(pairs, meaning, residual, output)
                if matched is None or not matched.credible:
                    continue
                output = matched if role == OUTPUT else output
                if meaning == "neuron" or lengths[0] != lengths[1] or len(matched.a) == lengths[0]:
                    yield UnitMap(
                        layers=pair,
                        experts=pair_of_experts,
                        meaning=meaning,
                        role=role,
                        map=matched,
                        factors=factors,
                    )

    def is_sought(self, pair: Pair, meaning: str) -> bool:
        """Whether the units of an axis are looked for."""
        if meaning not in pair.a.axes or pair.a.axes != pair.b.axes:
            return False
        axis = pair.a.axes.index(meaning)
        return self.settings.everywhere or pair.a.shape[axis] != pair.b.shape[axis]

    def _match(
        self, pairs: list[Pair], meaning: str, residual: AxisMap, output: AxisMap | None
    ) -> tuple[AxisMap | None, dict[str, Floats32]]:
        """Units by what they read and write; rows of large attention matrices by what the output's columns are."""
        first = pairs[0]
        if meaning == "head" and first.a.axes[0] == "head" and max(first.a.info.nbytes, first.b.info.nbytes) > CHEAP:
            if output is None:
                return None, {}
            return follow_output(first, output, _for_search(residual), (self.a, self.b)), {}
        return match_layer_units(pairs, meaning, residual, self.a, self.b)

    def is_left_out(self, pair: Pair, tower: TowerMap) -> bool:
        """Whether a pair has units that are looked for in other layers alone."""
        layers = pair.a.layer, pair.b.layer
        if None in layers or layers in tower.sampled:
            return False
        return any(self.is_sought(pair, meaning) for meaning in UNITS)


def _for_search(residual: AxisMap) -> tuple[Ints, Ints]:
    """Dimensions that a search may see: one half where they are tested afterwards, else all that were matched."""
    if not residual.is_identity:
        return residual.a, residual.b
    chosen = in_half(residual.a, Half.SEARCH)
    return residual.a[chosen], residual.b[chosen]


def _same_layers(stacks: StackPair) -> LayerMap:
    numbers = tuple(stacks.a.layers)
    return LayerMap(
        pairs=tuple((number, number) for number in numbers), depth_a=len(numbers), depth_b=len(numbers), scores={}
    )
