"""One checkpoint: what it holds, under which names, and what is odd about it."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cli.render.remarks import findings_section
from cli.render.view import View, heading
from provenance.inspection import Inspection
from provenance.reports import numbers

ROWS = 40
CLAIMS = 12
SHAPES = 2


def inspection_report(inspection: Inspection, view: View) -> list[RenderableType]:
    """Format, sizes, dtypes, layouts, weight sets, name patterns, findings and claims."""
    return [
        *_overview(inspection, view),
        *_dtypes(inspection, view),
        *_layouts(inspection, view),
        *_weight_sets(inspection, view),
        *_templates(inspection, view),
        *findings_section({"": inspection.model.findings}, view),
        *_claims(inspection, view),
    ]


def _overview(inspection: Inspection, view: View) -> list[RenderableType]:
    model = inspection.model
    facts = Table.grid(padding=(0, 2))
    facts.add_column(no_wrap=True, style="dim")
    facts.add_column(overflow="fold")
    facts.add_row(Text("format"), view.name(model.format))
    if model.variant is not None:
        facts.add_row(Text("weight set"), view.name(model.variant))
    if model.revision is not None:
        facts.add_row(Text("revision"), view.name(model.revision))
    files = "1 file" if model.shards == 1 else f"{model.shards} files"
    facts.add_row(Text("size"), Text(f"{numbers.size(inspection.bytes_total)} in {files}, {model.tensors:,} tensors"))
    learned = f"{model.params:,} ({numbers.count(model.params)}), {model.learned_params:,} of them learned"
    facts.add_row(Text("parameters"), Text(learned))
    for dimension, length in model.dimensions.items():
        facts.add_row(view.name(dimension), Text(f"{length:,}"))
    facts.add_row(Text("digest"), view.name(model.digest))
    title = view.name(model.reference)
    title.stylize("bold")
    return [title, facts]


def _dtypes(inspection: Inspection, view: View) -> list[RenderableType]:
    dtypes = inspection.model.dtypes
    if not dtypes:
        return []
    total = sum(dtypes.values())
    table = view.table("stored as", "values", "share", right=["values", "share"])
    for dtype in sorted(dtypes, key=lambda name: (-dtypes[name], name)):
        share = numbers.percent(dtypes[dtype] / total) if total else "-"
        table.add_row(view.name(dtype), Text(f"{dtypes[dtype]:,}"), Text(share))
    return [heading("Dtypes", "or the scheme that values are packed in"), table]


def _layouts(inspection: Inspection, view: View) -> list[RenderableType]:
    if not inspection.layouts:
        return []
    table = view.table("layout", "tensors", "compared as", "detail", right=["tensors", "compared as"])
    for entry in inspection.layouts:
        table.add_row(
            view.name(entry.layout), Text(str(entry.tensors)), Text(str(entry.views)), view.prose(entry.detail)
        )
    return [heading("Layouts", "tensors that a comparison may see as others"), table]


def _weight_sets(inspection: Inspection, view: View) -> list[RenderableType]:
    if not inspection.weight_sets:
        return []
    table = view.table("weight set", "format", "files", "size", "note", right=["files", "size"])
    for weights in inspection.weight_sets:
        note = "chosen" if weights.chosen else "" if weights.readable else "recognised, not readable"
        files = Text(str(weights.files))
        table.add_row(
            view.name(weights.name), view.name(weights.format), files, Text(numbers.size(weights.nbytes)), Text(note)
        )
    return [heading("Weight sets", "--variant chooses another"), table]


def _templates(inspection: Inspection, view: View) -> list[RenderableType]:
    templates = inspection.templates
    shown = templates if view.verbose else templates[:ROWS]
    table = view.table("name", "tensors", "role", "shape", "stored as", "note", right=["tensors"])
    for template in shown:
        shapes = [numbers.shape(lengths) for lengths in template.shapes]
        if len(shapes) > SHAPES and not view.verbose:
            shapes = [*shapes[:SHAPES], f"{len(shapes) - SHAPES} more"]
        table.add_row(
            view.name(template.pattern),
            Text(str(template.count)),
            view.name(template.role or "-"),
            Text("; ".join(shapes)),
            view.name(", ".join(template.dtypes)),
            view.prose(template.note),
        )
    parts: list[RenderableType] = [heading("Tensors", "{i} stands for a number"), table]
    if len(shown) < len(templates):
        parts.append(view.more(len(templates) - len(shown), "patterns"))
    return parts


def _claims(inspection: Inspection, view: View) -> list[RenderableType]:
    names = list(inspection.claims)
    if not names:
        return []
    shown = names if view.verbose else names[:CLAIMS]
    table = view.table("claim", "value")
    for name in shown:
        table.add_row(view.name(name), view.value(inspection.claims[name]))
    parts: list[RenderableType] = [heading("Claims", "metadata; never evidence"), table]
    if len(shown) < len(names):
        parts.append(view.more(len(names) - len(shown), "claims"))
    return parts
