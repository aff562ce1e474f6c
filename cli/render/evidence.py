"""The evidence: what was tested, and what came out."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from cli.render.view import View, heading
from provenance.reports import numbers
from provenance.result import Evidence

ROWS = 20

_COLUMNS = ("signal, subject", "z", "matched", "effect", "detectable", "log10 p", "status")
_NUMBERS = ("z", "matched", "effect", "detectable", "log10 p")


def evidence_section(evidence: Sequence[Evidence], view: View) -> list[RenderableType]:
    """The tests the verdict quotes; with -v the per-tensor detail as well."""
    deciding = [item for item in evidence if item.decides]
    detail = [item for item in evidence if not item.decides]
    shown = deciding if view.verbose else deciding[:ROWS]
    if not evidence:
        return [heading("Evidence", "nothing was tested")]
    parts: list[RenderableType] = [heading("Evidence", "tests that the verdict rests on")]
    parts.append(_table(shown, view) if shown else Text("  none"))
    if len(shown) < len(deciding):
        parts.append(view.more(len(deciding) - len(shown), "tests"))
    if detail and view.verbose:
        parts += [heading("Detail", "per tensor; decides nothing by itself"), _table(detail, view)]
    elif detail:
        parts.append(view.more(len(detail), "measured per tensor"))
    return parts


def _table(evidence: Sequence[Evidence], view: View) -> RenderableType:
    """One row a test under a row for its signal; `matched` counts the units whose best match is their counterpart."""
    table = view.table(*_COLUMNS, right=_NUMBERS)
    signals = list(dict.fromkeys(item.signal for item in evidence))
    for signal in signals:
        title = view.name(signal)
        title.stylize("bold")
        table.add_row(title)
        for item in evidence:
            if item.signal == signal:
                table.add_row(*_cells(item, view))
    return table


def _cells(item: Evidence, view: View) -> list[Text]:
    return [
        Text("  ").append_text(view.name(item.subject)),
        Text(numbers.statistic(item.z)),
        Text(f"{item.hits}/{item.units}"),
        Text(numbers.cosine(item.effect)),
        Text(numbers.cosine(item.min_detectable)),
        Text(numbers.logarithm(item.log10_p)),
        Text(str(item.status)),
    ]
