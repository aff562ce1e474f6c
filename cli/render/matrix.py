"""A matrix: its related pairs, the lineage, and what could not be compared."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from cli.render.view import View, heading
from provenance.escaping import visible
from provenance.lineage.drawing import as_text
from provenance.lineage.matrix import Matrix, related

LINE = 1000


def matrix_report(found: Matrix, view: View) -> list[RenderableType]:
    """Everything but the pairs that are independent, which are counted."""
    shown = related(found)
    table = view.table("A", "B", "relation", "kinds", "log10 p", "distance", right=["log10 p", "distance"])
    for pair in shown:
        table.add_row(
            view.name(pair.a),
            view.name(pair.b),
            view.name(pair.relation),
            view.name(", ".join(pair.kinds)),
            Text("" if pair.log10_p is None else f"{pair.log10_p:.1f}"),
            Text("" if pair.distance is None else f"{pair.distance:.3g}"),
        )
    independent = len(found.pairs) - len(shown)
    counted = f"{len(found.models)} models, {len(found.pairs)} pairs, {independent} of them independent"
    level = f"; alpha {found.alpha:g} for all together"
    report: list[RenderableType] = [view.prose(counted + level), Text(), table, heading("Lineage")]
    for line in as_text(found.graph, ascii_only=view.ascii_only).splitlines():
        report.append(Text(f"  {visible(line, limit=LINE, ascii_only=view.ascii_only)}"))
    if found.errors:
        failed = view.table("target", "error")
        for each in found.errors:
            failed.add_row(view.name(each.target), view.prose(f"{each.category}: {each.message}"))
        report += [heading("Not compared"), failed]
    return report
