"""The architecture: which parts both sides have, and what they call them."""

from __future__ import annotations

from collections.abc import Mapping

from rich.cells import cell_len
from rich.console import RenderableType
from rich.text import Text

from cli.render.view import View, heading
from provenance.result import Architecture

ROWS = 12


def architecture_section(architecture: Architecture, view: View) -> list[RenderableType]:
    """Relation, sizes that differ, rename table, layouts that were undone, and what only one side has."""
    say, relation = view.say, architecture.relation
    paired = say("terminal.paired.one" if architecture.paired == 1 else "terminal.paired", count=architecture.paired)
    remark = say("terminal.architecture", relation=relation, words=say(f"architecture.{relation}"), paired=paired)
    parts: list[RenderableType] = [heading(say("architecture.title"), remark), _sizes(architecture, view)]
    if architecture.renames:
        parts += _renames(architecture, view)
    parts += [
        Text("  " + say("terminal.layout", side=entry.side.upper(), layout=entry.layout, tensors=entry.tensors))
        for entry in architecture.layouts
        if entry.side
    ]
    parts += _unpaired("a", architecture.only_a, view)
    parts += _unpaired("b", architecture.only_b, view)
    return parts


def _sizes(architecture: Architecture, view: View) -> Text:
    if not architecture.sizes:
        return Text("  " + view.say("terminal.sizes.equal"))
    line = Text(f"  {view.say('terminal.sizes')} ")
    for index, size in enumerate(architecture.sizes):
        line.append(", " if index else "").append_text(view.name(size.dimension))
        line.append(f" {size.a} {view.arrow} {size.b}")
    return line


def _renames(architecture: Architecture, view: View) -> list[RenderableType]:
    rules = architecture.renames
    shown = rules if view.verbose else rules[:ROWS]
    say, tensors = view.say, view.say("label.tensors")
    titles = say("architecture.name_a"), say("architecture.name_b"), tensors, say("label.basis")
    table = view.table(*titles, right=[tensors])
    for rule in shown:
        basis = say("terminal.ambiguous", basis=rule.basis) if rule.ambiguous else str(rule.basis)
        table.add_row(view.name(rule.a), view.name(rule.b), Text(str(rule.count)), Text(basis))
    parts: list[RenderableType] = [Text(), table]
    if len(shown) < len(rules):
        parts.append(view.more(len(rules) - len(shown), say("terminal.renames")))
    return parts


def _unpaired(side: str, patterns: Mapping[str, int], view: View) -> list[RenderableType]:
    names = list(patterns)
    title = view.say(f"terminal.only_{side}")
    shown = names if view.verbose else names[:ROWS]
    parts: list[RenderableType] = []
    for index, pattern in enumerate(shown):
        line = Text(f"  {title}: " if index == 0 else " " * (cell_len(title) + 4))
        line.append_text(view.name(pattern))
        parts.append(line.append(f"  x{patterns[pattern]}" if patterns[pattern] != 1 else ""))
    if len(shown) < len(names):
        parts.append(view.more(len(names) - len(shown), view.say(f"terminal.patterns_{side}")))
    return parts
