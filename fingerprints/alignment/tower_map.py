"""What stands for what in two towers, as a search found it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fingerprints.alignment.axis_map import AxisMap, Floats32
from fingerprints.alignment.experts import ExpertMap
from fingerprints.alignment.layer_map import LayerMap
from fingerprints.anatomy import Part

UNITS = ("neuron", "head")


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


def own_units(part: Part, meaning: str) -> str:
    """Attention rows are matched matrix by matrix, neurons in all matrices of their MLP together."""
    return "" if meaning == "neuron" else part.role or ""
