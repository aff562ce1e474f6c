"""A decomposition: the answer in a frame, parents with their weights, curves, and the recipe."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cli.render.recipe import as_yaml
from cli.render.remarks import footer
from cli.render.view import View, heading
from provenance.decomposition.result import Decomposition, Interval, Outcome, Stretch
from provenance.escaping import visible
from provenance.reports import numbers

ROWS = 16
LINES = 60
_WORDS = {
    Outcome.MERGED: "M is a merge of these parents",
    Outcome.EQUAL: "M is one of these checkpoints, unchanged",
    Outcome.UNEXPLAINED: "No combination of these parents explains M",
}
_COLORS = {Outcome.MERGED: "yellow", Outcome.EQUAL: "cyan", Outcome.UNEXPLAINED: "green"}


def decomposition_report(found: Decomposition, view: View) -> list[RenderableType]:
    """Everything a person wants to know, the answer first."""
    return [
        *_answer(found, view),
        *_parents(found, view),
        *_warnings(found, view),
        *_curve("Layers", found.per_layer, found, view),
        *_curve("Roles", found.per_role if view.verbose or _by_role(found) else (), found, view),
        *_recipe(found, view),
        *_evidence(found, view),
        *footer(found.run, view),
    ]


def one_line(found: Decomposition) -> str:
    """`merged method=linear weights=0.571,0.429 residual=0.00154`: fields without spaces, in ASCII."""
    weights = ",".join("none" if each.weight is None else f"{each.weight:.4g}" for each in found.parents)
    text = f"{found.outcome} method={found.method or 'none'} weights={weights} residual={found.residual:.3g}"
    return visible(text, limit=1000, ascii_only=True) + "\n"


def _answer(found: Decomposition, view: View) -> list[RenderableType]:
    color = _COLORS[found.outcome]
    title = Text.assemble((_WORDS[found.outcome], f"bold {color}"), f"  ({found.outcome})")
    facts = Table.grid(padding=(0, 2))
    facts.add_column(no_wrap=True, style="dim")
    facts.add_column(overflow="fold")
    facts.add_row(Text("M"), view.name(found.model.reference))
    if found.base is not None:
        facts.add_row(Text("base"), view.name(found.base.reference))
    if found.method is not None:
        words = view.name(found.method)
        if found.varies_by is not None:
            words.append(f", with weights that vary by {found.varies_by}")
        facts.add_row(Text("method"), words)
    for name, value in found.parameters.items():
        facts.add_row(view.name(name), view.value(value, limit=400))
    residual = f"{found.residual:.3g} of M's norm; rounding M to its type leaves {found.rounding:.3g}"
    facts.add_row(Text("residual"), Text(residual))
    facts.add_row(Text("explained"), Text(f"{numbers.percent(found.explained)} of the squared distance to the nearest"))
    if found.reproduced is not None and found.outcome is Outcome.MERGED:
        facts.add_row(Text("reproduced"), Text(f"{numbers.percent(found.reproduced)} of the values, exactly"))
    facts.add_row(Text("compared"), Text(f"{numbers.percent(found.coverage)} of M's learned parameters"))
    body = Group(title, Text(), view.prose(found.summary), Text(), facts)
    return [Panel(body, box=view.frame, border_style=color, padding=(0, 1))]


def _parents(found: Decomposition, view: View) -> list[RenderableType]:
    table = view.table("", "parent", "weight", "95 % interval", "", right=["weight", "95 % interval"])
    for place, parent in enumerate(found.parents):
        weight = "-" if parent.weight is None else f"{round(parent.weight, 4) + 0.0:.4f}"
        table.add_row(
            Text(f"P{place + 1}"),
            view.name(parent.name),
            Text(weight),
            Text(_interval(parent.interval)),
            view.prose(parent.note),
        )
    remark = "those of the best combination, which explains too little" if found.outcome is Outcome.UNEXPLAINED else ""
    return [heading("Parents", remark), table]


def _warnings(found: Decomposition, view: View) -> list[RenderableType]:
    if not found.warnings:
        return []
    return [heading("Warnings"), *(Padding.indent(view.prose(each, style="yellow"), 2) for each in found.warnings)]


def _by_role(found: Decomposition) -> bool:
    return found.varies_by not in (None, "layer")


def _curve(title: str, stretches: Sequence[Stretch], found: Decomposition, view: View) -> list[RenderableType]:
    """One line a layer or role: a bar of the first parent's weight, then all weights."""
    if not stretches:
        return []
    shown = stretches if view.verbose else stretches[:ROWS]
    titles = [f"P{place + 1}" for place in range(len(found.parents))]
    table = view.table(title[:-1].lower(), "P1's weight", *titles, "from", right=titles)
    for each in shown:
        name = each.role if each.role is not None else "outside" if each.layer is None else str(each.layer)
        first = each.weights[0]
        source = "" if each.source is None else f"layer {each.source[1]} of P{_place(each, found)}"
        table.add_row(
            view.name(name),
            Text("" if first is None else view.bar(first)),
            *(
                Text(_weight(weight, interval, ascii_only=view.ascii_only))
                for weight, interval in zip(each.weights, each.intervals, strict=True)
            ),
            Text(source),
        )
    lines: list[RenderableType] = [heading(title, "weight and half of its 95 % interval"), table]
    if len(shown) < len(stretches):
        lines.append(view.more(len(stretches) - len(shown), title.lower()))
    return lines


def _place(stretch: Stretch, found: Decomposition) -> int:
    name = "" if stretch.source is None else stretch.source[0]
    return 1 + next(place for place, parent in enumerate(found.parents) if parent.name == name)


def _recipe(found: Decomposition, view: View) -> list[RenderableType]:
    if found.recipe is None:
        return []
    lines = as_yaml(found.recipe)
    shown = lines if view.verbose else lines[:LINES]
    parts: list[RenderableType] = [heading("Recipe", "for mergekit; the JSON holds it as `recipe`")]
    parts += [Padding.indent(view.prose(line), 2) for line in shown]
    if len(shown) < len(lines):
        parts.append(view.more(len(lines) - len(shown), "lines"))
    return parts


def _evidence(found: Decomposition, view: View) -> list[RenderableType]:
    lines = [*found.evidence, *found.not_compared]
    return [heading("Evidence"), *(Padding.indent(view.prose(line), 2) for line in lines)] if lines else []


def _weight(weight: float | None, interval: Interval | None, *, ascii_only: bool) -> str:
    if weight is None:
        return "-"
    shown = round(weight, 3) + 0.0
    if interval is None:
        return f"{shown:.3f}"
    sign = "+-" if ascii_only else "\N{PLUS-MINUS SIGN}"
    return f"{shown:.3f} {sign}{(interval[1] - interval[0]) / 2:.3f}"


def _interval(interval: Interval | None) -> str:
    return "-" if interval is None else f"{round(interval[0], 4) + 0.0:.4f} to {round(interval[1], 4) + 0.0:.4f}"
