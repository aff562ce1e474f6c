"""What came of running a saved comparison again."""

from __future__ import annotations

from collections import Counter

from rich.console import RenderableType
from rich.text import Text

from cli.render.view import View, heading
from provenance.verification import Agreement, Line, Verification

ROWS = 60
_BYTES = {True: "terminal.bytes.same", False: "terminal.bytes.other", None: "terminal.bytes.open"}


def verification_report(found: Verification, view: View) -> list[RenderableType]:
    """The answer, how many lines of each section agree, and the lines that do not."""
    say = view.say
    versions = say("terminal.versions", saved=view.name(found.version_saved), now=view.name(found.version_now))
    parts: list[RenderableType] = [
        Text(say("terminal.reproduced" if found.reproduced else "terminal.reproduced.not"), style="bold"),
        Text("  " + say("terminal.bytes", bytes=say(_BYTES[found.same_bytes]))),
        Text(f"  {versions}"),
    ]
    if found.time_limit is not None:
        parts.append(Text("  " + say("terminal.limited")))
    parts += [heading(say("terminal.lines.title")), _counts(found, view)]
    shown = [line for line in found.lines if view.verbose or line.agreement is not Agreement.EQUAL]
    listed = shown if view.verbose else shown[:ROWS]
    if listed:
        title = "terminal.lines.every" if view.verbose else "terminal.lines.unequal"
        parts += [heading(say(title)), _table(listed, view)]
    if len(listed) < len(shown):
        parts.append(view.more(len(shown) - len(listed), say("terminal.lines")))
    return parts


def one_line(found: Verification) -> str:
    """`reproduced equal=129 close=0 different=0`."""
    counts = Counter(line.agreement for line in found.lines)
    figures = " ".join(f"{agreement}={counts[agreement]}" for agreement in Agreement)
    return f"{'reproduced' if found.reproduced else 'not_reproduced'} {figures}\n"


def _counts(found: Verification, view: View) -> RenderableType:
    figures = [_word(agreement, view) for agreement in Agreement]
    table = view.table(view.say("terminal.section"), *figures, right=figures)
    for section in dict.fromkeys(line.section for line in found.lines):
        counts = Counter(line.agreement for line in found.lines if line.section == section)
        table.add_row(Text(section), *(Text(str(counts[agreement])) for agreement in Agreement))
    return table


def _table(lines: list[Line], view: View) -> RenderableType:
    say = view.say
    table = view.table(say("terminal.line"), "", say("terminal.saved"), say("terminal.now"))
    for line in lines:
        subject = Text(f"{line.section}  ").append_text(view.name(line.subject))
        agreement = Text(_word(line.agreement, view))
        table.add_row(subject, agreement, view.value(line.saved, limit=60), view.value(line.now, limit=60))
    return table


def _word(agreement: Agreement, view: View) -> str:
    return view.say(f"terminal.{agreement}")
