"""What a search costs, from shapes alone: bytes that it reads of both sides, and seconds on one core.

Estimates follow what the searches read (`layer_sketch`, `layer_units`, `basis`, `disguise`) as far as it can be known
beforehand: those of bases say what it takes when a basis is found.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fingerprints.alignment import basis, layer_sketch, layer_units
from fingerprints.alignment.stacks import Stack, StackPair
from fingerprints.alignment.unit_map import MOST_UNITS, SOUGHT
from fingerprints.anatomy import Anatomy, Part
from fingerprints.sampling import spread

READ = 5e8
"""Bytes that are read and widened in a second."""
PRODUCTS = 5e10
"""Floating-point operations of matrix products in a second of one core, with all that goes along with them."""
DECOMPOSITION = 16
"""Operations of a singular value decomposition, in cubes of the width, on the scale of `PRODUCTS`."""
DECOMPOSITIONS = 6
FIRST = ("ffn_gate", "ffn_up", "ffn_gate_up")
TABLES = ("token_embd", "output")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """`bytes` that are read, and `seconds` of one core."""

    bytes: int
    seconds: float

    def __add__(self, other: Cost) -> Cost:
        return Cost(bytes=self.bytes + other.bytes, seconds=self.seconds + other.seconds)


NOTHING = Cost(bytes=0, seconds=0.0)


def cost_of_maps(facing: Iterable[StackPair], layers: int | None) -> Cost:
    """Of a search for layers, experts, neurons and heads.

    Parameters
    ----------
    facing : iterable of StackPair
        Towers that stand for one another.
    layers : int or None
        Layers whose units are matched; None for all.
    """
    total = NOTHING
    for stacks in facing:
        for stack in (stacks.a, stacks.b):
            for layer in stack.layers.values():
                for part in layer.values():
                    total += _sketch(part)
            total += _of_units(stack, layers)
    return total


def cost_of_bases(facing: Iterable[StackPair], anatomies: tuple[Anatomy, Anatomy], layers: int | None) -> Cost:
    """Of a search for the basis of each residual stream, and of looking at both sides in it.

    Parameters
    ----------
    facing : iterable of StackPair
        Towers that stand for one another.
    anatomies : pair of Anatomy
        A's and B's.
    layers : int or None
        Layers whose units are matched; None for all.
    """
    total = NOTHING
    for stacks in facing:
        width = anatomies[0].towers[stacks.a.path].residual
        if width != anatomies[1].towers[stacks.b.path].residual:
            continue
        total += Cost(bytes=0, seconds=DECOMPOSITIONS * DECOMPOSITION * width**3 / PRODUCTS)
        for stack, anatomy in zip((stacks.a, stacks.b), anatomies, strict=True):
            tables = [part for part in anatomy.parts.values() if part.tower == stack.path and part.role in TABLES]
            for part in tables:
                total += _moment(part, width, basis.TABLE_ROWS)
            for layer in stack.layers.values():
                for part in layer.values():
                    if part.role in FIRST and _is_on_stream(part):
                        total += _moment(part, width, basis.MOMENT_ROWS)
        for number in _sampled(stacks.b, layers):
            for part in stacks.b.layers[number].values():
                if _is_on_stream(part):
                    total += Cost(bytes=part.info.nbytes, seconds=2 * part.info.size * SOUGHT / PRODUCTS)
        total += _writers(stacks.b)
    return total + cost_of_maps(facing, layers)


def cost_of_lost_names(anatomies: tuple[Anatomy, Anatomy]) -> Cost:
    """Of finding, by weights, what the tensors of a side are whose names tell nothing: all of both sides is read.

    Parameters
    ----------
    anatomies : pair of Anatomy
        A's and B's, one of which has no tower.
    """
    width = max((tower.residual for anatomy in anatomies for tower in anatomy.towers.values()), default=0)
    total = Cost(bytes=0, seconds=DECOMPOSITIONS * DECOMPOSITION * width**3 / PRODUCTS)
    for anatomy in anatomies:
        for part in anatomy.parts.values():
            if part.shape:
                total += _rows(part, part.shape[0]) + _work(2 * part.info.size * width)
    return total


def _sketch(part: Part) -> Cost:
    """Of the rows that likeness of layers and experts is told from."""
    if len(part.axes) != 2 or "residual" not in part.axes or part.role is None:
        return NOTHING
    return _rows(part, layer_sketch.DIMENSIONS if part.axes[0] == "residual" else layer_sketch.ROWS)


def _of_units(stack: Stack, layers: int | None) -> Cost:
    total = NOTHING
    for layer in _sampled(stack, layers):
        for part in stack.layers[layer].values():
            for meaning in ("neuron", "head"):
                if _is_on_stream(part) and meaning in part.axes:
                    total += _units(part, meaning)
    return total


def _units(part: Part, meaning: str) -> Cost:
    """Of the rows that units are matched by, and half of the cosines between those of both sides."""
    place = part.axes.index(meaning)
    length = part.shape[place]
    long = meaning == "neuron" and length > MOST_UNITS
    large = part.info.nbytes > layer_units.CHEAP
    dims = min(part.shape[1 - place], layer_units.FEW_DIMENSIONS if long else layer_units.DIMENSIONS)
    compared = 2 * SOUGHT if long else length
    if place == 0 and (large or long):
        return _rows(part, SOUGHT)
    return _rows(part, part.shape[0] if place == 0 else dims) + _work(compared * length * dims)


def _moment(part: Part, width: int, rows: int) -> Cost:
    return _rows(part, part.shape[0]) + _work(2 * min(rows, part.info.size // width) * width**2)


def _writers(stack: Stack) -> Cost:
    """Of turning what writes to the stream, of which every row takes the whole matrix."""
    total = NOTHING
    for layer in stack.layers.values():
        for part in layer.values():
            if len(part.axes) == 2 and part.axes[0] == "residual":
                total += _rows(part, part.shape[0])
    return total


def _rows(part: Part, rows: int) -> Cost:
    read = int(part.info.nbytes * min(1.0, rows / max(part.shape[0], 1)))
    return Cost(bytes=read, seconds=read / READ)


def _work(operations: float) -> Cost:
    return Cost(bytes=0, seconds=operations / PRODUCTS)


def _is_on_stream(part: Part) -> bool:
    return len(part.axes) == 2 and part.axes.count("residual") == 1


def _sampled(stack: Stack, layers: int | None) -> list[int]:
    numbers = list(stack.layers)
    return [numbers[place] for place in spread(len(numbers), len(numbers) if layers is None else layers)]
