"""The layers: one bar each, so that a reader sees where the weights agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from statistics import median

from rich.console import RenderableType
from rich.text import Text

from cli.render.view import View, heading
from provenance.reports import numbers
from provenance.result import Cell, Layer

_STATUS_COLORS = {"dependent": "yellow", "equal": "cyan", "chance": "green"}
_NOT_SAMPLED = "not sampled"
_STATUS_KEYS = {
    "dependent": "status.dependent",
    "chance": "status.chance",
    "matched": "status.matched",
    "equal": "picture.status.equal",
    _NOT_SAMPLED: "terminal.not_sampled",
    "not tested": "terminal.not_tested",
}


def layers_section(layers: Sequence[Layer], view: View) -> list[RenderableType]:
    """One line per layer with a bar of the median effect; runs of layers that were not sampled share a line."""
    if not layers:
        return []
    parts: list[RenderableType] = [
        heading(view.say("terminal.layers.title"), view.say("terminal.layers", arrow=view.arrow))
    ]
    parts += _lines(layers, view)
    return parts


def _lines(layers: Sequence[Layer], view: View) -> Iterator[Text]:
    width = max(len(_label(layer, view)) for layer in layers)
    for unsampled, run in groupby(layers, key=_is_unsampled):
        group = list(run)
        if unsampled and len(group) > 1:
            first, last = _label(group[0], view), _label(group[-1], view)
            yield Text("  " + view.say("terminal.layers.run", first=f"{first:>{width}}", last=last), style="dim")
            continue
        for layer in group:
            yield _line(layer, width, view)


def _line(layer: Layer, width: int, view: View) -> Text:
    effect = _median(_effect(cell) for cell in layer.cells)
    z = _median(cell.z for cell in layer.cells)
    statuses = Counter(cell.status for cell in layer.cells)
    ordered = sorted(statuses.items(), key=lambda item: (-item[1], item[0]))
    counts = ", ".join(f"{number} {_status(status, view)}" for status, number in ordered)
    leading = statuses.most_common(1)[0][0] if statuses else ""
    line = Text(f"  {_label(layer, view):>{width}}  ")
    if effect is not None:
        line.append(view.bar(effect), style=_STATUS_COLORS.get(leading, ""))
        line.append(f"  {numbers.cosine(effect):>6}  z {numbers.statistic(z):>7}  ")
    return line.append_text(view.prose(counts or _status(_NOT_SAMPLED, view)))


def _status(status: str, view: View) -> str:
    """The status in words; what a later version calls otherwise stays as it is."""
    key = _STATUS_KEYS.get(status)
    return status if key is None else view.say(key)


def _label(layer: Layer, view: View) -> str:
    return f"{layer.a} {view.arrow} {layer.b}"


def _is_unsampled(layer: Layer) -> bool:
    return all(cell.status == _NOT_SAMPLED for cell in layer.cells)


def _effect(cell: Cell) -> float | None:
    """Equal tensors have cosine 1 whether or not it was computed."""
    return 1.0 if cell.status == "equal" and cell.effect is None else cell.effect


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
