"""Rows of a scan as a table, what they add up to, and what broke a policy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from cli.render.view import View, heading
from provenance.scan.policy import Violation
from provenance.scan.row import Row, State

NO_RELATIVE = "no relative"
COLUMNS = ("target", "relation", "base", "kinds", "claim", "log10 p", "error")


def scan_report(rows: Sequence[Row], view: View) -> list[RenderableType]:
    """All rows, and one line that adds them up."""
    table = view.table(*COLUMNS, right=["log10 p"])
    for row in rows:
        table.add_row(
            view.name(row.target),
            view.name(_answer(row)),
            view.name(row.base or ""),
            view.name(", ".join(row.kinds)),
            view.name(row.claim or ""),
            Text("" if row.log10_p is None else f"{row.log10_p:.1f}"),
            view.name(row.error or ""),
        )
    return [table, *_errors(rows, view), Text(), view.prose(_sum(rows))]


def violations_report(violations: Sequence[Violation], view: View) -> list[RenderableType]:
    """What broke the policy."""
    table = view.table("target", "rule", "reason")
    for each in violations:
        table.add_row(view.name(each.target), view.name(each.rule), view.prose(each.reason))
    return [heading("Policy", f"{len({each.target for each in violations})} targets break it"), table]


def _answer(row: Row) -> str:
    """The relation; where an index brought up no relative there is none."""
    if row.state is not State.DONE:
        return str(row.state)
    return row.relation or NO_RELATIVE


def _errors(rows: Sequence[Row], view: View) -> list[RenderableType]:
    failed = [row for row in rows if row.state is State.ERROR]
    if not failed:
        return []
    table = view.table("target", "error")
    for row in failed:
        table.add_row(view.name(row.target), view.prose(f"{row.error}: {row.message}"))
    return [heading("Errors"), table]


def _sum(rows: Sequence[Row]) -> str:
    found = Counter(_answer(row) for row in rows if row.state is State.DONE)
    found += Counter(f"error ({row.error})" for row in rows if row.state is State.ERROR)
    found += Counter("pending" for row in rows if row.state is State.PENDING)
    read = sum(row.bytes_read for row in rows)
    parts = ", ".join(f"{count} {name}" for name, count in sorted(found.items()))
    return f"{len(rows)} targets: {parts or 'nothing'}; {read / 1e6:.1f} MB read"
