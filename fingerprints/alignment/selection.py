"""What the maps of a tower take of each axis of a pair of tensors."""

from __future__ import annotations

from dataclasses import dataclass

from fingerprints.alignment.axis_map import AxisMap, Floats32
from fingerprints.alignment.tower_map import UNITS, TowerMap, UnitMap, own_units
from fingerprints.anatomy import PartKind
from fingerprints.pairing import Pair
from fingerprints.sampling import Ints

Axes = tuple[Ints | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Selection:
    """What to take of each axis on either side, B's signs, and which axes were matched."""

    a: Axes
    b: Axes
    signs: tuple[Floats32 | None, ...] = ()
    matched: tuple[str, ...] = ()
    stands_for: float = 1.0


def selection_of(pair: Pair, tower: TowerMap) -> Selection | None:
    """What a tower's maps make of a pair; None where an axis has no map and its lengths differ."""
    if not pair.a.axes or pair.a.axes != pair.b.axes or len(pair.a.axes) != len(pair.a.shape):
        return everything(pair)
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
    return Selection(
        a=tuple(chosen_a), b=tuple(chosen_b), signs=tuple(signs), matched=tuple(matched), stands_for=stands_for
    )


def everything(pair: Pair) -> Selection:
    """Both sides as they are."""
    return Selection(a=(None,) * len(pair.a.shape), b=(None,) * len(pair.b.shape))


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
    wanted = (pair.a.layer, pair.b.layer), (pair.a.expert, pair.b.expert), meaning, own_units(pair.a, meaning)
    return next(
        (each for each in tower.units if (each.layers, each.experts, each.meaning, each.role) == wanted),
        None,
    )
