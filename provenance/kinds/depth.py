"""Kinds `pruned_depth` and `depth_upscaled`: one side has more layers than the other; `layers_reordered`: as many.

`layer_map` names, for each layer of the child in order, the parent's layer, null for layers that the parent lacks.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from fingerprints.alignment.tower_map import TowerMap
from provenance.judgement import Judgement
from provenance.observation import Observation
from provenance.result import Kind, Relation


def find(observed: Observation, judgement: Judgement) -> Kind | None:
    """The change of depth of the deepest tower whose depth changed; layers that write nothing are a disguise."""
    if judgement.ruling.relation is not Relation.DERIVED or observed.alignment is None:
        return None
    towers = tuple(_borne_out(observed, tower) for tower in observed.alignment.towers)
    changed = [tower for tower in towers if tower.layers.depth_a != tower.layers.depth_b]
    if not changed:
        return _reordered(towers)
    tower = max(changed, key=lambda tower: (max(tower.layers.depth_a, tower.layers.depth_b), tower.path_a))
    deeper = "a" if tower.layers.depth_a > tower.layers.depth_b else "b"
    repeats = _repeats(tower, deeper)
    if tower.silent and not repeats:
        return None
    child = deeper if repeats else "b" if deeper == "a" else "a"
    found = layer_map(tower, child)
    spare = [
        layer for layer in _layers(tower, deeper) if layer not in {pair[deeper == "b"] for pair in tower.layers.pairs}
    ]
    if repeats:
        text = f"{child.upper()} has {len(found)} layers, {repeats} of which repeat others of the parent's"
    else:
        text = f"{child.upper()}'s {len(found)} layers are those of its parent without {', '.join(map(str, spare))}"
    return Kind(
        kind="depth_upscaled" if repeats else "pruned_depth",
        parameters={"layer_map": found, "dropped": [] if repeats else spare, "child": child},
        evidence=text,
    )


def _borne_out(observed: Observation, tower: TowerMap) -> TowerMap:
    """The tower without pairs of layers whose matrices turned out to be no more alike than chance: neighbours resemble
    each other in what searches look at.
    """
    looked_at: dict[tuple[int | None, int | None], list[bool]] = defaultdict(list)
    for name, item in observed.measured.items():
        pair = item.pair
        if pair.a.tower == tower.path_a and len(pair.a.shape) > 1:
            looked_at[pair.a.layer, pair.b.layer].append(name in observed.dependent_tensors)
    kept = tuple(
        pair for pair in tower.layers.pairs if pair not in looked_at or 2 * sum(looked_at[pair]) >= len(looked_at[pair])
    )
    return replace(tower, layers=replace(tower.layers, pairs=kept))


def _reordered(towers: tuple[TowerMap, ...]) -> Kind | None:
    """Equally deep towers whose layers come in another order, some of them more than once."""
    moved = [tower for tower in towers if tower.searched_layers and not tower.layers.in_order]
    if not moved:
        return None
    tower = max(moved, key=lambda tower: (tower.layers.depth_a, tower.path_a))
    repeats = [_repeats(tower, side) for side in "ab"]
    child = "a" if repeats[0] else "b" if repeats[1] else None
    found = layer_map(tower, child or "b")
    return Kind(
        kind="layers_reordered",
        parameters={"layer_map": found, "child": child},
        evidence=f"{(child or 'b').upper()}'s layers are those of the other side in the order "
        + ", ".join("none" if layer is None else str(layer) for layer in found),
    )


def layer_map(tower: TowerMap, child: str) -> list[int | None]:
    """The parent's layer for each layer of the child in order."""
    place = 0 if child == "a" else 1
    partner = {pair[place]: pair[1 - place] for pair in tower.layers.pairs}
    return [partner.get(layer) for layer in _layers(tower, child)]


def _layers(tower: TowerMap, side: str) -> tuple[int, ...]:
    return tower.numbers_a if side == "a" else tower.numbers_b


def _repeats(tower: TowerMap, deeper: str) -> int:
    """Layers of the deeper side that stand for a layer of the other that has another one already."""
    shallow = [pair[deeper == "a"] for pair in tower.layers.pairs]
    return len(shallow) - len(set(shallow))
