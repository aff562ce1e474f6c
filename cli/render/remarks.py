"""Remarks beside the verdict: claims that disagree, odd things about the files, what was not measured, and the cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from cli.render.view import View, heading
from provenance.reports import numbers
from provenance.result import Claim, FindingEntry, NotMeasured, Run

FINDINGS = 12
REASONS = 8
SUBJECTS = 3


def claims_section(claims: Sequence[Claim], view: View) -> list[RenderableType]:
    """Metadata that differs between the sides; with -v all of it. Metadata never decides."""
    shown = [claim for claim in claims if view.verbose or claim.agrees is False]
    if not shown:
        return []
    say = view.say
    table = view.table(say("claims.name"), "A", "B", say("claims.agrees"))
    for claim in shown:
        agrees = say({True: "claims.yes", False: "claims.no", None: "claims.open"}[claim.agrees])
        table.add_row(view.name(claim.name), view.value(claim.a), view.value(claim.b), Text(agrees))
    about = "terminal.claims.all" if view.verbose else "terminal.claims.differ"
    return [heading(say("claims.title"), say(about)), table]


def findings_section(sides: Mapping[str, Sequence[FindingEntry]], view: View) -> list[RenderableType]:
    """What is odd about the files, by side."""
    lines: list[RenderableType] = []
    for side, findings in sides.items():
        shown = findings if view.verbose else findings[:FINDINGS]
        for finding in shown:
            line = Text(f"{side}  " if side else "").append_text(view.name(finding.code)).append("  ")
            line.append_text(view.name(finding.subject)).append(": ").append_text(view.prose(finding.message))
            lines.append(Padding.indent(line, 2))
        if len(shown) < len(findings):
            lines.append(view.more(len(findings) - len(shown), view.say("terminal.findings")))
    return [heading(view.say("terminal.findings.title")), *lines] if lines else []


def not_measured_section(entries: Sequence[NotMeasured], view: View) -> list[RenderableType]:
    """What was not tested, grouped by reason, the most frequent reason first."""
    reasons: dict[str, list[NotMeasured]] = {}
    for entry in entries:
        reasons.setdefault(entry.reason, []).append(entry)
    ordered = sorted(reasons, key=lambda reason: -len(reasons[reason]))
    shown = ordered if view.verbose else ordered[:REASONS]
    lines: list[RenderableType] = []
    for reason in shown:
        group = reasons[reason]
        lines.append(Padding.indent(Text(f"{len(group)} x ").append_text(view.prose(reason)), 2))
        subjects = group if view.verbose else group[:SUBJECTS]
        for entry in subjects:
            lines.append(Padding.indent(view.name(entry.signal).append("  ").append_text(view.name(entry.subject)), 6))
        if len(subjects) < len(group):
            lines.append(Padding.indent(view.more(len(group) - len(subjects), view.say("terminal.for_reason")), 4))
    if len(shown) < len(ordered):
        lines.append(view.more(len(ordered) - len(shown), view.say("terminal.reasons")))
    return [heading(view.say("open.title")), *lines] if lines else []


def footer(run: Run, view: View) -> list[RenderableType]:
    """What the run cost, and which version made it."""
    share = f" ({numbers.percent(run.bytes_read / run.bytes_total)})" if run.bytes_total else ""
    say = view.say
    read = say("terminal.read", read=numbers.size(run.bytes_read), total=numbers.size(run.bytes_total), share=share)
    if run.requests:
        read += say("terminal.fetched", bytes=numbers.size(run.bytes_fetched), requests=run.requests)
    cost = say("terminal.cost", read=read, seconds=f"{run.seconds:.1f}", version=view.name(run.version))
    return [Text(f"\n{cost}", style="dim")]
