"""The evidence: what was tested, and what came out."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from cli.render.view import View, heading
from provenance.reports import numbers
from provenance.result import Evidence

ROWS = 20

_NUMBERS = ("picture.z", "evidence.matched", "label.effect", "evidence.detectable", "evidence.p")


def evidence_section(evidence: Sequence[Evidence], view: View) -> list[RenderableType]:
    """The tests the verdict quotes; with -v the per-tensor detail as well."""
    deciding = [item for item in evidence if item.decides]
    detail = [item for item in evidence if not item.decides]
    shown = deciding if view.verbose else deciding[:ROWS]
    say = view.say
    if not evidence:
        return [heading(say("evidence.title"), say("terminal.evidence.none"))]
    parts: list[RenderableType] = [heading(say("evidence.title"), say("terminal.evidence"))]
    parts.append(_table(shown, view) if shown else Text("  " + say("terminal.none")))
    if len(shown) < len(deciding):
        parts.append(view.more(len(deciding) - len(shown), say("terminal.tests")))
    if detail and view.verbose:
        parts += [heading(say("terminal.detail"), say("terminal.detail.about")), _table(detail, view)]
    elif detail:
        parts.append(view.more(len(detail), say("terminal.detail_tests")))
    return parts


def _table(evidence: Sequence[Evidence], view: View) -> RenderableType:
    """One row a test under a row for its signal; `matched` counts the units whose best match is their counterpart."""
    figures = [view.say(key) for key in _NUMBERS]
    table = view.table(view.say("terminal.signal"), *figures, view.say("evidence.status"), right=figures)
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
        Text(view.say(f"status.{item.status}")),
    ]
