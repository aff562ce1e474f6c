"""Two checkpoints in one coordinate system: which layers, experts and units stand for one another, and views of both.

A search sees the half of the residual dimensions that tests leave alone. What it matched by likeness is not tested by
its own number again (`Pair.matched`): exact evidence comes from the axes that no search touched, and from searches
that bring units out in order though they never look at their numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fingerprints.alignment.axis_map import Floats32
from fingerprints.alignment.channels import ChannelMap
from fingerprints.alignment.counterparts import counterparts
from fingerprints.alignment.experts import mlps_of
from fingerprints.alignment.selected import Selected
from fingerprints.alignment.selection import Axes, everything, selection_of
from fingerprints.alignment.stacks import facing_stacks
from fingerprints.alignment.tower_map import UNITS, TowerMap
from fingerprints.alignment.tower_search import AlignmentSettings, TowerSearch
from fingerprints.anatomy import Anatomy, Part
from fingerprints.checkpoint import Checkpoint
from fingerprints.layouts.relaid_checkpoint import RelaidCheckpoint
from fingerprints.layouts.views import seen_as
from fingerprints.pairing import Pair, Pairing
from fingerprints.selection import NOT_SAMPLED

AGAIN = " @ "
"""Between the name of a tensor that is shown once more, and what for."""


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
    search = TowerSearch(anatomies, checkpoints, pairing, settings)
    towers = []
    for stacks in facing_stacks(*anatomies, pairing):
        if (found := search.tower(stacks)) is not None:
            towers.append(found)
    if not towers:
        return None
    return _shown(search, tuple(towers))


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


def _shown(search: TowerSearch, towers: tuple[TowerMap, ...]) -> Alignment:
    """Both sides through the maps of all towers; what lies on none of them stays as it is."""
    views = _Views(search.anatomies[0], {}), _Views(search.anatomies[1], {})
    pairs: list[Pair] = []
    left_out: list[tuple[Pair, str]] = []
    repeated: tuple[dict[str, str], dict[str, str]] = ({}, {})
    layered = {(tower.path_a, tower.path_b) for tower in towers}
    inside = {
        part.name for path, _ in layered for layer in search.stacks[path].a.layers.values() for part in layer.values()
    }
    inside_b = {
        part.name for path, _ in layered for layer in search.stacks[path].b.layers.values() for part in layer.values()
    }
    streams = {tower.path_a: tower for tower in towers}
    todo = [
        (pair, streams.get(pair.a.tower))
        for pair in search.pairing.pairs
        if pair.a.name not in inside and pair.b.name not in inside_b
    ]
    for tower in towers:
        stacks = search.stacks[tower.path_a]
        todo += [
            (pair, tower)
            for layers in tower.layers.pairs
            for pair in counterparts(stacks, layers, tower.experts.get(layers))
        ]
    stands_for: dict[str, float] = {}
    for pair, home in todo:
        if home is not None and search.is_left_out(pair, home):
            left_out.append((pair, NOT_SAMPLED))
            continue
        selection = None if home is None else selection_of(pair, home)
        if selection is None and home is not None:
            left_out.append((pair, "its units were not matched"))
            continue
        chosen = selection or everything(pair)
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
        a=views[0].checkpoint(search.a),
        b=views[1].checkpoint(search.b),
        anatomies=(views[0].shown(), views[1].shown()),
        pairing=Pairing(
            pairs=tuple(pairs),
            only_a=tuple(part for name, part in search.anatomies[0].parts.items() if name not in used_a),
            only_b=tuple(part for name, part in search.anatomies[1].parts.items() if name not in used_b),
        ),
        left_out=tuple(left_out),
        repeated=repeated,
        towers=towers,
        stands_for=stands_for,
    )


def _place(part: Part) -> str:
    """Where in its checkpoint a tensor is: its layer and expert."""
    return f"layer {part.layer}" if part.expert is None else f"layer {part.layer}, expert {part.expert}"


def _again(name: str, taken: Mapping[str, Part], partner: Part) -> str:
    """The name, or one that tells for which counterpart a tensor is shown once more."""
    return name if name not in taken else f"{name}{AGAIN}{_place(partner)}"
