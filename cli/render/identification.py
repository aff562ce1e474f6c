"""What `identify` found."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from cli.render.view import View, heading
from provenance.identification.result import Candidate, Identification
from provenance.identification.summary import layout_words
from provenance.reports import numbers

LAYOUTS = 4


def identification_report(result: Identification, view: View) -> list[RenderableType]:
    """The summary, related models, known architectures, and what metadata declares."""
    title = view.name(result.model.reference)
    title.stylize("bold")
    return [
        title,
        view.prose(result.summary),
        *_candidates(result, view),
        *_layouts(result, view),
        *_declared(result, view),
        *_open(result, view),
    ]


def _candidates(result: Identification, view: View) -> list[RenderableType]:
    if not result.candidates:
        return []
    table = view.table("model", "relation", "log10 p", "effect", "change", "kinds", "seen in", right=["log10 p"])
    for each in result.candidates:
        table.add_row(
            view.name(f"{each.name} (closest)" if each.name in result.closest else each.name),
            Text(each.relation.value),
            Text("-" if each.log10_p is None else f"{each.log10_p:.0f}"),
            Text("-" if each.effect is None else f"{each.effect:.3f}"),
            Text("-" if each.distance is None else numbers.percent(each.distance)),
            view.name(_how(each)),
            Text(each.basis),
        )
    remark = f"{result.tested} of {result.searched:,} entries tested, alpha {result.alpha:.2g}"
    return [heading("Related models", remark), table]


def _how(each: Candidate) -> str:
    words = [kind.kind for kind in each.kinds]
    if each.through is not None:
        words.append(f"through {each.through}")
    return ", ".join(words) or "-"


def _layouts(result: Identification, view: View) -> list[RenderableType]:
    if not result.layouts:
        return []
    lines: list[RenderableType] = [heading("Architecture", "names and shapes; no evidence about weights")]
    shown = result.layouts if view.verbose else result.layouts[:LAYOUTS]
    for layout in shown:
        lines.append(view.prose(f"  {layout_words(layout)} ({layout.source})"))
        rules = layout.renamed if view.verbose else layout.renamed[:LAYOUTS]
        lines += [view.prose(f"    {rule}") for rule in rules]
        lines += [view.prose(f"    {size.dimension}: {size.b} here, {size.a} there") for size in layout.sizes[:LAYOUTS]]
    if len(shown) < len(result.layouts):
        lines.append(view.more(len(result.layouts) - len(shown), "architectures"))
    return lines


def _declared(result: Identification, view: View) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for each in result.declared:
        found = "not in the library" if each.related is None else "related" if each.related else "not found related"
        closest = ", and the closest" if each.closest else ""
        lines.append(view.prose(f"  declared base {each.name}: {found}{closest}"))
    return [heading("Claims", "metadata; never evidence"), *lines] if lines else []


def _open(result: Identification, view: View) -> list[RenderableType]:
    if not result.not_measured:
        return []
    lines = [view.prose(f"  {each.subject}: {each.reason}") for each in result.not_measured]
    return [heading("Not measured"), *lines]
