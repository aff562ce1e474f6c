"""Two checkpoints in one coordinate system: which layers, experts and units stand for one another, and views of both.

A search sees the half of the residual dimensions that tests leave alone. What it matched by likeness is not tested by
its own number again (`Pair.matched`): exact evidence comes from the axes that no search touched, and from searches
that bring units out in order though they never look at their numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from fingerprints.alignment.axis_map import AxisMap, Floats32, identity_map
from fingerprints.alignment.channels import ChannelMap
from fingerprints.alignment.experts import ExpertMap, match_experts, mlps_of, same_numbers
from fingerprints.alignment.layer_map import LayerMap, find_layer_map
from fingerprints.alignment.layer_sketch import likeness, writes_nothing
from fingerprints.alignment.layer_units import CHEAP, match_layer_units
from fingerprints.alignment.output_heads import follow_output
from fingerprints.alignment.residual import match_residual
from fingerprints.alignment.selected import Selected
from fingerprints.alignment.stacks import StackPair, facing_stacks
from fingerprints.anatomy import Anatomy, Part, PartKind
from fingerprints.checkpoint import Checkpoint
from fingerprints.layouts.relaid_checkpoint import RelaidCheckpoint
from fingerprints.layouts.views import seen_as
from fingerprints.pairing import Pair, PairBasis, Pairing
from fingerprints.sampling import Half, Ints, in_half, spread
from fingerprints.selection import NOT_SAMPLED

Axes = tuple[Ints | None, ...]
UNITS = ("neuron", "head")
OUTPUT = "attn_out"
MOST_LAYERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitMap:
    """Matched units of one axis of one pair of layers; `role` tells q, k and v apart, "" for neurons. `factors` are, by
    role, what B's units are to be multiplied by, where that is not one.
    """

    layers: tuple[int, int]
    experts: tuple[int | None, int | None]
    meaning: str
    role: str
    map: AxisMap
    factors: Mapping[str, Floats32] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TowerMap:
    """What stands for what in one pair of towers. `units` holds searched axes only."""

    path_a: str
    path_b: str
    layers: LayerMap
    residual: AxisMap
    experts: Mapping[tuple[int, int], ExpertMap]
    units: tuple[UnitMap, ...]
    numbers_a: tuple[int, ...]
    numbers_b: tuple[int, ...]
    silent: tuple[int, ...]
    """Layers of the deeper side without a counterpart that write nothing to the residual stream."""
    sampled: frozenset[tuple[int, int]]
    """Layers whose units were matched; those of the others were not looked for."""
    searched_layers: bool
    searched_residual: bool

    @property
    def changes_structure(self) -> bool:
        """Whether depth, the order of layers, widths or experts differ."""
        return (
            self.layers.depth_a != self.layers.depth_b
            or not self.layers.in_order
            or self.residual.units_a != self.residual.units_b
            or any(units.map.units_a != units.map.units_b for units in self.units)
            or any(experts.experts_a != experts.experts_b for experts in self.experts.values())
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """Both sides as seen through the maps.

    Attributes
    ----------
    a, b : Checkpoint
        Views.
    anatomies : pair of Anatomy
        Of the views.
    pairing : Pairing
        Their counterparts.
    left_out : tuple of (Pair, str)
        Counterparts that were not brought into one coordinate system, with the reason.
    repeated : pair of mapping
        Views of either side that show a tensor once more, because several tensors of the other stand for it: view to
        stored name.
    towers : tuple of TowerMap
        The maps.
    stands_for : mapping
        By name in A, how many times as many values a pair stands for as its views show: units of long axes are sampled.
    channels : tuple of ChannelMap
        Maps of a network without towers.
    """

    a: Checkpoint
    b: Checkpoint
    anatomies: tuple[Anatomy, Anatomy]
    pairing: Pairing
    left_out: tuple[tuple[Pair, str], ...]
    repeated: tuple[Mapping[str, str], Mapping[str, str]]
    towers: tuple[TowerMap, ...]
    stands_for: Mapping[str, float]
    channels: tuple[ChannelMap, ...] = ()

    @property
    def unsampled(self) -> tuple[Pair, ...]:
        """Counterparts that were left out because other layers stand for theirs."""
        return tuple(pair for pair, reason in self.left_out if reason == NOT_SAMPLED)


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


def differs_in_structure(a: Anatomy, b: Anatomy, pairing: Pairing) -> bool:
    """Whether depth, widths or experts differ between towers that the pairing joins."""
    for stacks in facing_stacks(a, b, pairing):
        if stacks.a.layers.keys() != stacks.b.layers.keys() and not stacks.joined_by(pairing):
            return True
        if a.towers[stacks.a.path].residual != b.towers[stacks.b.path].residual:
            return True
        for layer, other in zip(stacks.a.layers, stacks.b.layers, strict=True):
            ours, theirs = mlps_of(stacks.a.layers[layer]), mlps_of(stacks.b.layers[other])
            if ours and theirs and ours.keys() != theirs.keys():
                return True
    return any(
        pair.a.axes == pair.b.axes and pair.a.axes[axis] in UNITS and pair.a.shape[axis] != pair.b.shape[axis]
        for pair in pairing.pairs
        for axis in range(len(pair.a.axes))
        if len(pair.a.shape) == len(pair.b.shape) == len(pair.a.axes)
    )


def align(
    anatomies: tuple[Anatomy, Anatomy],
    checkpoints: tuple[Checkpoint, Checkpoint],
    pairing: Pairing,
    settings: AlignmentSettings,
) -> Alignment | None:
    """Find the maps and show both sides through them.

    Parameters
    ----------
    anatomies, checkpoints : pair
        A's and B's, fused matrices taken apart.
    pairing : Pairing
        From names, roles and shapes.
    settings : AlignmentSettings
        How much to search.

    Returns
    -------
    Alignment or None
        None where no tower has a counterpart, or no layer of one.
    """
    search = _Search(anatomies, checkpoints, pairing, settings)
    towers = []
    for stacks in facing_stacks(*anatomies, pairing):
        if (found := search.tower(stacks)) is not None:
            towers.append(found)
    if not towers:
        return None
    return search.shown(tuple(towers))


@dataclass(slots=True)
class _Views:
    """Views that are being collected for one side."""

    anatomy: Anatomy
    parts: dict[str, Part]
    views: dict[str, Selected] = field(default_factory=dict)

    def add(self, part: Part, name: str, axes: Axes, signs: tuple[Floats32 | None, ...], label: str) -> Part:
        """The part through a selection, under a name."""
        if all(each is None for each in (*axes, *signs)) and name == part.name:
            self.parts[name] = part
            return part
        shape = tuple(n if chosen is None else len(chosen) for n, chosen in zip(part.shape, axes, strict=True))
        info = seen_as(part.info, name, shape, label)
        self.views[name] = Selected(info=info, source=part.name, axes=axes, signs=signs)
        self.parts[name] = replace(part, info=info)
        return self.parts[name]

    def checkpoint(self, inner: Checkpoint) -> Checkpoint:
        return RelaidCheckpoint(inner, {name for name in self.views if name in inner.tensors}, self.views)

    def shown(self) -> Anatomy:
        return replace(self.anatomy, parts=self.parts)


class _Search:
    """The steps of one alignment and what they share."""

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
            for found in _counterparts(stacks, pair, experts.get(pair)):
                for meaning in UNITS:
                    if len(found.a.shape) == 2 and found.a.axes == found.b.axes and meaning in found.a.axes:
                        if found.a.axes.count("residual") != 1:
                            continue
                        key = (found.a.expert, found.b.expert), meaning, _own_units(found.a, meaning)
                        axes.setdefault(key, []).append(found)
            output: AxisMap | None = None
            for (pair_of_experts, meaning, role), pairs in sorted(axes.items(), key=lambda item: item[0][2] != OUTPUT):
                lengths = [part.shape[part.axes.index(meaning)] for part in (pairs[0].a, pairs[0].b)]
                if not self._is_sought(pairs[0], meaning):
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

    def _is_sought(self, pair: Pair, meaning: str) -> bool:
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

    def shown(self, towers: tuple[TowerMap, ...]) -> Alignment:
        """Both sides through the maps of all towers; what lies on none of them stays as it is."""
        views = _Views(self.anatomies[0], {}), _Views(self.anatomies[1], {})
        pairs: list[Pair] = []
        left_out: list[tuple[Pair, str]] = []
        repeated: tuple[dict[str, str], dict[str, str]] = ({}, {})
        layered = {(tower.path_a, tower.path_b) for tower in towers}
        inside = {
            part.name for path, _ in layered for layer in self.stacks[path].a.layers.values() for part in layer.values()
        }
        inside_b = {
            part.name for path, _ in layered for layer in self.stacks[path].b.layers.values() for part in layer.values()
        }
        streams = {tower.path_a: tower for tower in towers}
        todo = [
            (pair, streams.get(pair.a.tower))
            for pair in self.pairing.pairs
            if pair.a.name not in inside and pair.b.name not in inside_b
        ]
        for tower in towers:
            stacks = self.stacks[tower.path_a]
            todo += [
                (pair, tower)
                for layers in tower.layers.pairs
                for pair in _counterparts(stacks, layers, tower.experts.get(layers))
            ]
        stands_for: dict[str, float] = {}
        for pair, home in todo:
            if home is not None and self._is_left_out(pair, home):
                left_out.append((pair, NOT_SAMPLED))
                continue
            selection = None if home is None else _selection(pair, home)
            if selection is None and home is not None:
                left_out.append((pair, "its units were not matched"))
                continue
            chosen = selection or _Selection(a=_everything(pair.a), b=_everything(pair.b))
            names = [
                _again(part.name, view.parts, other)
                for part, view, other in zip((pair.a, pair.b), views, (pair.b, pair.a), strict=True)
            ]
            for name, part, stored in zip(names, (pair.a, pair.b), repeated, strict=True):
                if name != part.name:
                    stored[name] = part.name
            label = f"{pair.a.layer}.{pair.a.expert}={pair.b.layer}.{pair.b.expert}"
            part_a = views[0].add(pair.a, names[0], chosen.a, (), label)
            part_b = views[1].add(pair.b, names[1], chosen.b, chosen.signs, label)
            pairs.append(replace(pair, a=part_a, b=part_b, matched=chosen.matched))
            if chosen.stands_for != 1.0:
                stands_for[part_a.name] = chosen.stands_for
        used_a = {repeated[0].get(pair.a.name, pair.a.name) for pair in pairs}
        used_b = {repeated[1].get(pair.b.name, pair.b.name) for pair in pairs}
        return Alignment(
            a=views[0].checkpoint(self.a),
            b=views[1].checkpoint(self.b),
            anatomies=(views[0].shown(), views[1].shown()),
            pairing=Pairing(
                pairs=tuple(pairs),
                only_a=tuple(part for name, part in self.anatomies[0].parts.items() if name not in used_a),
                only_b=tuple(part for name, part in self.anatomies[1].parts.items() if name not in used_b),
            ),
            left_out=tuple(left_out),
            repeated=repeated,
            towers=towers,
            stands_for=stands_for,
        )

    def _is_left_out(self, pair: Pair, tower: TowerMap) -> bool:
        """Whether a pair has units that are looked for in other layers alone."""
        layers = pair.a.layer, pair.b.layer
        if None in layers or layers in tower.sampled:
            return False
        return any(self._is_sought(pair, meaning) for meaning in UNITS)


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


def _counterparts(stacks: StackPair, layers: tuple[int, int], experts: ExpertMap | None) -> Iterator[Pair]:
    """Tensors of two layers that stand for one another: by what they are called, MLPs by the experts' map."""
    ours, theirs = stacks.a.layers[layers[0]], stacks.b.layers[layers[1]]
    mapped = {part.name for mlps in (mlps_of(ours), mlps_of(theirs)) for mlp in mlps.values() for part in mlp.values()}
    for rest, part in ours.items():
        other = theirs.get(stacks.rests.get(rest, rest))
        if other is not None and len(part.shape) == len(other.shape):
            if experts is not None and (part.name in mapped or other.name in mapped):
                continue
            basis = PairBasis.NAME if rest == stacks.rests.get(rest, rest) else PairBasis.ROLE
            yield Pair(a=part, b=other, basis=basis)
    if experts is None:
        return
    mlps_a, mlps_b = mlps_of(ours), mlps_of(theirs)
    for expert_a, expert_b in experts.pairs:
        for key, part in mlps_a[expert_a].items():
            other = mlps_b[expert_b].get(key)
            if other is not None and len(part.shape) == len(other.shape):
                yield Pair(a=part, b=other, basis=PairBasis.ROLE)


def _own_units(part: Part, meaning: str) -> str:
    """Attention rows are matched matrix by matrix, neurons in all matrices of their MLP together."""
    return "" if meaning == "neuron" else part.role or ""


def _everything(part: Part) -> tuple[Ints | None, ...]:
    return (None,) * len(part.shape)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Selection:
    """What to take of each axis on either side, B's signs, and which axes were matched."""

    a: Axes
    b: Axes
    signs: tuple[Floats32 | None, ...] = ()
    matched: tuple[str, ...] = ()
    stands_for: float = 1.0


def _selection(pair: Pair, tower: TowerMap) -> _Selection | None:
    """What a tower's maps make of a pair; None where an axis has no map and its lengths differ."""
    if not pair.a.axes or pair.a.axes != pair.b.axes or len(pair.a.axes) != len(pair.a.shape):
        return _Selection(a=_everything(pair.a), b=_everything(pair.b))
    signs: list[Floats32 | None] = []
    chosen_a: list[Ints | None] = []
    chosen_b: list[Ints | None] = []
    matched: list[str] = []
    stands_for = 1.0
    for axis, meaning in enumerate(pair.a.axes):
        units = _units_of(pair, meaning, tower)
        found = units.map if units is not None else _map_of(pair, meaning, tower)
        lengths = pair.a.shape[axis], pair.b.shape[axis]
        if found is None:
            if lengths[0] != lengths[1] and (meaning in UNITS or meaning in ("residual", "expert")):
                return None
            chosen_a.append(None)
            chosen_b.append(None)
            signs.append(None)
            continue
        if (found.units_a, found.units_b) != lengths:
            return None
        if _was_searched(meaning, tower):
            matched.append(meaning)
        stands_for *= found.stands_for
        chosen_a.append(None if found.is_identity else found.a)
        chosen_b.append(None if found.is_identity else found.b)
        factors = None if units is None else units.factors.get(f"{pair.b.role}.{pair.b.kind}")
        signs.append(factors if pair.b.kind is not PartKind.GAIN else None)
    return _Selection(
        a=tuple(chosen_a), b=tuple(chosen_b), signs=tuple(signs), matched=tuple(matched), stands_for=stands_for
    )


def _was_searched(meaning: str, tower: TowerMap) -> bool:
    return meaning != "residual" or tower.searched_residual


def _map_of(pair: Pair, meaning: str, tower: TowerMap) -> AxisMap | None:
    if meaning == "residual":
        return tower.residual
    layers = (pair.a.layer, pair.b.layer)
    if meaning == "expert":
        found = tower.experts.get(layers)  # type: ignore[arg-type]
        return found.router if found is not None else None
    return None


def _units_of(pair: Pair, meaning: str, tower: TowerMap) -> UnitMap | None:
    if meaning not in UNITS:
        return None
    wanted = (pair.a.layer, pair.b.layer), (pair.a.expert, pair.b.expert), meaning, _own_units(pair.a, meaning)
    return next(
        (each for each in tower.units if (each.layers, each.experts, each.meaning, each.role) == wanted),
        None,
    )


def _place(part: Part) -> str:
    """Where in its checkpoint a tensor is: its layer and expert."""
    return f"layer {part.layer}" if part.expert is None else f"layer {part.layer}, expert {part.expert}"


def _again(name: str, taken: Mapping[str, Part], partner: Part) -> str:
    """The name, or one that tells for which counterpart a tensor is shown once more."""
    return name if name not in taken else f"{name} @ {_place(partner)}"
