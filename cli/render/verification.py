"""What came of running a saved comparison again."""

from __future__ import annotations

from collections import Counter

from rich.console import RenderableType
from rich.text import Text

from cli.render.view import View, heading
from provenance.verification import Agreement, Line, Verification

ROWS = 60
_BYTES = {
    True: "the same bytes as then (by digests of all values)",
    False: "NOT the same bytes as then: a digest differs",
    None: "the same names, types and shapes as then; no digest covers the values",
}


def verification_report(found: Verification, view: View) -> list[RenderableType]:
    """The answer, how many lines of each section agree, and the lines that do not."""
    answer = "Reproduced" if found.reproduced else "NOT reproduced"
    parts: list[RenderableType] = [
        Text(answer, style="bold"),
        Text(f"  checkpoints: {_BYTES[found.same_bytes]}"),
        Text("  versions: saved by ")
        .append_text(view.name(found.version_saved))
        .append(", now ")
        .append_text(view.name(found.version_now)),
    ]
    if found.time_limit is not None:
        parts.append(Text("  a time limit was set: two runs may see different parts of the checkpoints"))
    parts += [heading("Lines"), _counts(found, view)]
    shown = [line for line in found.lines if view.verbose or line.agreement is not Agreement.EQUAL]
    listed = shown if view.verbose else shown[:ROWS]
    if listed:
        parts += [heading("Every line" if view.verbose else "Lines that are not equal"), _table(listed, view)]
    if len(listed) < len(shown):
        parts.append(view.more(len(shown) - len(listed), "lines"))
    return parts


def one_line(found: Verification) -> str:
    """`reproduced equal=129 close=0 different=0`."""
    counts = Counter(line.agreement for line in found.lines)
    figures = " ".join(f"{agreement}={counts[agreement]}" for agreement in Agreement)
    return f"{'reproduced' if found.reproduced else 'not_reproduced'} {figures}\n"


def _counts(found: Verification, view: View) -> RenderableType:
    table = view.table("section", *Agreement, right=list(Agreement))
    for section in dict.fromkeys(line.section for line in found.lines):
        counts = Counter(line.agreement for line in found.lines if line.section == section)
        table.add_row(Text(section), *(Text(str(counts[agreement])) for agreement in Agreement))
    return table


def _table(lines: list[Line], view: View) -> RenderableType:
    table = view.table("line", "", "saved", "now")
    for line in lines:
        subject = Text(f"{line.section}  ").append_text(view.name(line.subject))
        table.add_row(subject, Text(line.agreement), view.value(line.saved, limit=60), view.value(line.now, limit=60))
    return table
