"""Kinds `pruned_width` and `width_upscaled`: one side has more units on some axis than the other.

Residual dimensions, neurons, attention rows and experts. The wider side is the parent, unless its further units repeat
others or are zero: then it was grown from the narrower one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fingerprints.alignment.axis_map import AxisMap, Spare
from fingerprints.alignment.tower_map import TowerMap, UnitMap
from provenance.judgement import Judgement
from provenance.observation import Observation
from provenance.result import Kind, Relation, rounded


def find(observed: Observation, judgement: Judgement) -> Kind | None:
    """The change of width, with the units of the wider side that have a counterpart."""
    if judgement.ruling.relation is not Relation.DERIVED or observed.alignment is None:
        return None
    changed = [item for tower in observed.alignment.towers for item in _changed(tower)]
    if not changed:
        return None
    wider = {"a" if found.units_a > found.units_b else "b" for _, found in changed}
    grown = [found.spare in (Spare.COPIES, Spare.ZERO) for _, found in changed if found.spare is not None]
    is_grown = bool(grown) and all(grown)
    side = wider.pop() if len(wider) == 1 else None
    child = side if is_grown else {"a": "b", "b": "a", None: None}[side]
    axes = [shown(where, found) for where, found in changed]
    names = sorted({where["axis"] for where, _ in changed})
    return Kind(
        kind="width_upscaled" if is_grown else "pruned_width",
        parameters={"axes": axes, "child": child},
        evidence=f"units of {len(changed)} axes ({', '.join(names)}) were matched with a subset of the wider side's",
    )


def _changed(tower: TowerMap) -> Iterator[tuple[dict[str, Any], AxisMap]]:
    if tower.residual.units_a != tower.residual.units_b:
        yield {"axis": "residual"}, tower.residual
    for units in tower.units:
        of_dense = (units.experts[0] is None) != (units.experts[1] is None)
        if units.map.units_a != units.map.units_b and not of_dense:
            yield place(units), units.map
    for layers, experts in tower.experts.items():
        router = experts.router
        if router is not None and router.units_a != router.units_b:
            yield {"axis": "expert", "layers": list(layers)}, router


def place(units: UnitMap) -> dict[str, Any]:
    """Which axis of which layers, matrices and experts."""
    where: dict[str, Any] = {"axis": units.meaning, "layers": list(units.layers)}
    if units.role:
        where["role"] = units.role
    if units.experts != (None, None):
        where["experts"] = list(units.experts)
    return where


def shown(where: dict[str, Any], found: AxisMap) -> dict[str, Any]:
    """Lengths, and the units of the wider side in the order of the narrower one's."""
    wide, narrow = (found.a, found.b) if found.units_a > found.units_b else (found.b, found.a)
    kept = wide[narrow.argsort()].tolist()
    return {
        **where,
        "a": found.units_a,
        "b": found.units_b,
        "in_order": found.in_order,
        "effect": None if found.effect is None else rounded(found.effect),
        "kept": kept,
    } | ({"sought": found.sought} if found.sought else {})
