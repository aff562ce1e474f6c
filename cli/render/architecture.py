"""The architecture: which parts both sides have, and what they call them."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import RenderableType
from rich.text import Text

from cli.render.view import View, heading
from provenance.result import Architecture, ArchitectureRelation

ROWS = 12

_WORDS = {
    ArchitectureRelation.IDENTICAL: "same roles under the same names",
    ArchitectureRelation.RENAMED: "same roles and wiring, some names differ",
    ArchitectureRelation.VARIANT: "some roles added or missing",
    ArchitectureRelation.DIFFERENT: "the roles differ",
}


def architecture_section(architecture: Architecture, view: View) -> list[RenderableType]:
    """Relation, sizes that differ, rename table, layouts that were undone, and what only one side has."""
    paired = "1 tensor paired" if architecture.paired == 1 else f"{architecture.paired} tensors paired"
    remark = f"{architecture.relation}: {_WORDS[architecture.relation]}; {paired}"
    parts: list[RenderableType] = [heading("Architecture", remark), _sizes(architecture, view)]
    if architecture.renames:
        parts += _renames(architecture, view)
    parts += [
        Text(f"  layout of {entry.side.upper()}: {entry.layout}, {entry.tensors} tensors")
        for entry in architecture.layouts
        if entry.side
    ]
    parts += _unpaired("only in A", architecture.only_a, view)
    parts += _unpaired("only in B", architecture.only_b, view)
    return parts


def _sizes(architecture: Architecture, view: View) -> Text:
    if not architecture.sizes:
        return Text("  sizes: equal")
    line = Text("  sizes: ")
    for index, size in enumerate(architecture.sizes):
        line.append(", " if index else "").append_text(view.name(size.dimension))
        line.append(f" {size.a} {view.arrow} {size.b}")
    return line


def _renames(architecture: Architecture, view: View) -> list[RenderableType]:
    rules = architecture.renames
    shown = rules if view.verbose else rules[:ROWS]
    table = view.table("name in A", "name in B", "tensors", "basis", right=["tensors"])
    for rule in shown:
        basis = f"{rule.basis}, ambiguous" if rule.ambiguous else str(rule.basis)
        table.add_row(view.name(rule.a), view.name(rule.b), Text(str(rule.count)), Text(basis))
    parts: list[RenderableType] = [Text(), table]
    if len(shown) < len(rules):
        parts.append(view.more(len(rules) - len(shown), "renames"))
    return parts


def _unpaired(title: str, patterns: Mapping[str, int], view: View) -> list[RenderableType]:
    names = list(patterns)
    shown = names if view.verbose else names[:ROWS]
    parts: list[RenderableType] = []
    for index, pattern in enumerate(shown):
        line = Text(f"  {title}: " if index == 0 else " " * (len(title) + 4))
        line.append_text(view.name(pattern))
        parts.append(line.append(f"  x{patterns[pattern]}" if patterns[pattern] != 1 else ""))
    if len(shown) < len(names):
        parts.append(view.more(len(names) - len(shown), f"patterns {title}"))
    return parts
