"""A lineage graph as boxes in columns: every model one step to the right of what it was first reached from."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from provenance.escaping import visible
from provenance.lineage.graph import Edge, Graph

MOST_BOXES = 300
STEP_X, STEP_Y, BOX_X, BOX_Y = 300, 36, 230, 26
LABEL = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One model: its name cut to what fits, and how many others have equal weights. `x`, `y`: the upper left corner."""

    x: int
    y: int
    label: str
    others: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One edge, from the edge of a box to the edge of another; with an arrow where its direction is known."""

    x1: int
    y1: int
    x2: int
    y2: int
    directed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LineagePicture:
    """Models that have relatives; `more` of them did not fit."""

    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    width: int
    height: int
    more: int


def draw_lineage(graph: Graph) -> LineagePicture:
    """The families of `graph`, one below the other; models without a relative or a double are left out."""
    around: defaultdict[str, list[Edge]] = defaultdict(list)
    for edge in graph.edges:
        around[edge.a].append(edge)
        around[edge.b].append(edge)
    kin = [node for node in graph.nodes if around[node.name] or node.duplicates]
    places = _places([node.name for node in kin], around)
    shown = {name: place for name, place in places.items() if place[1] < MOST_BOXES}
    boxes = tuple(
        Box(
            x=shown[node.name][0] * STEP_X,
            y=shown[node.name][1] * STEP_Y,
            label=visible(node.name, limit=LABEL),
            others=len(node.duplicates),
        )
        for node in kin
        if node.name in shown
    )
    lines = tuple(_line(edge, shown) for edge in graph.edges if edge.a in shown and edge.b in shown)
    return LineagePicture(
        boxes=boxes,
        lines=lines,
        width=max((box.x for box in boxes), default=0) + BOX_X,
        height=max((box.y for box in boxes), default=0) + BOX_Y,
        more=len(kin) - len(boxes),
    )


def _places(names: list[str], around: dict[str, list[Edge]]) -> dict[str, tuple[int, int]]:
    """Column and row of each model, depth first from models that come from no other, known bases before targets."""
    places: dict[str, tuple[int, int]] = {}

    def rank(name: str) -> tuple[bool, bool, int, str]:
        second = [edge for edge in around[name] if edge.b == name]
        return any(edge.directed for edge in second), bool(second), -len(around[name]), name

    for root in sorted(names, key=rank):
        stack = [(root, 0)]
        while stack:
            name, column = stack.pop()
            if name in places:
                continue
            places[name] = column, len(places)
            ahead = {
                edge.b if edge.a == name else edge.a for edge in around[name] if edge.a == name or not edge.directed
            }
            stack += [(other, column + 1) for other in sorted(ahead - places.keys(), reverse=True)]
    return places


def _line(edge: Edge, places: dict[str, tuple[int, int]]) -> Line:
    (column_a, row_a), (column_b, row_b) = places[edge.a], places[edge.b]
    from_right = column_a <= column_b
    return Line(
        x1=column_a * STEP_X + (BOX_X if from_right else 0),
        y1=row_a * STEP_Y + BOX_Y // 2,
        x2=column_b * STEP_X + (0 if column_a < column_b else BOX_X),
        y2=row_b * STEP_Y + BOX_Y // 2,
        directed=edge.directed,
    )
