"""Libraries, their entries, and fingerprints."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cli.render.view import View, heading
from provenance.escaping import visible
from provenance.fingerprinting import FingerprintSummary
from provenance.library.building import Building
from provenance.library.entry import Entry
from provenance.library.library import Problem
from provenance.library.listing import Listing, Transfer, Verification
from provenance.reports import numbers

SHORT = 12
ROWS = 60


def fingerprint_line(summary: FingerprintSummary) -> str:
    """The content and the size."""
    return f"{summary.content} {summary.nbytes}\n"


def fingerprint_report(summary: FingerprintSummary, view: View) -> list[RenderableType]:
    """What is in a fingerprint."""
    facts = _facts()
    facts.add_row(Text("content"), Text(summary.content))
    facts.add_row(Text("size"), Text(numbers.size(summary.nbytes)))
    facts.add_row(Text("of"), Text(f"{summary.tensors:,} tensors, {summary.parameters:,} learned parameters"))
    facts.add_row(Text("units of"), Text(f"{summary.rows:,} matrices"))
    facts.add_row(Text("gains and biases"), Text(f"{summary.vectors:,}"))
    digests = "of all values" if summary.whole else "of samples (--full takes those of all values)"
    facts.add_row(Text("digests"), Text(digests))
    facts.add_row(Text("read"), Text(f"{numbers.size(summary.bytes_read)} of {numbers.size(summary.bytes_total)}"))
    if summary.requests:
        fetched = f"{numbers.size(summary.bytes_fetched)} in {summary.requests} requests"
        facts.add_row(Text("fetched"), Text(fetched))
    title = view.name(summary.reference)
    title.stylize("bold")
    return [title, facts]


def entry_line(entry: Entry) -> str:
    """The content and the names."""
    return f"{entry.content} {' '.join(visible(name, limit=200, ascii_only=True) for name in entry.names)}\n"


def entry_report(entry: Entry, view: View) -> list[RenderableType]:
    """Everything that is known of one entry."""
    facts = _facts()
    facts.add_row(Text("content"), Text(entry.content))
    for name, source in zip(entry.names, entry.sources, strict=True):
        facts.add_row(Text("name"), view.name(name if not source else f"{name}, from {source}"))
    for label, value in (("family", entry.family), ("licence", entry.licence), ("revision", entry.revision)):
        if value:
            facts.add_row(Text(label), view.name(value))
    for parent in entry.parents:
        facts.add_row(Text("parent"), view.name(parent))
    facts.add_row(Text("of"), Text(f"{entry.tensors:,} tensors, {entry.parameters:,} learned parameters"))
    facts.add_row(Text("size"), Text(numbers.size(entry.nbytes)))
    title = view.name(entry.name)
    title.stylize("bold")
    return [title, facts]


def listing_report(listing: Listing, view: View) -> list[RenderableType]:
    """One line an entry."""
    total = sum(entry.nbytes for entry in listing.entries)
    table = view.table("name", "family", "licence", "parameters", "content", right=["parameters"])
    for entry in listing.entries:
        more = f" (+{len(entry.names) - 1})" if len(entry.names) > 1 else ""
        table.add_row(
            view.name(entry.name + more),
            view.name(entry.family or "-"),
            view.name(entry.licence or "-"),
            Text(numbers.count(entry.parameters)),
            Text(entry.content[:SHORT]),
        )
    return [
        heading(
            "1 model" if len(listing.entries) == 1 else f"{len(listing.entries)} models",
            f"{numbers.size(total)} in {listing.library}",
        ),
        table,
    ]


def verification_report(result: Verification, view: View) -> list[RenderableType]:
    """What is wrong, and what was left over."""
    return [view.prose(result.summary), *_problems(result.problems, view)]


def transfer_report(done: Transfer, view: View) -> list[RenderableType]:
    """What an export or import carried."""
    return [view.prose(done.summary), *_problems(done.skipped, view)]


def building_report(result: Building, view: View) -> list[RenderableType]:
    """What a build did."""
    parts: list[RenderableType] = [view.prose(result.summary), *_problems(result.failed, view)]
    if result.missing:
        shown = ", ".join(result.missing[:8]) + (", …" if len(result.missing) > 8 and not view.ascii_only else "")
        parts.append(view.prose(f"not at hand: {shown}; --models DIR says where models lie, --hub fetches them"))
    return parts


def _problems(problems: Sequence[Problem], view: View) -> list[RenderableType]:
    if not problems:
        return []
    table = view.table("subject", "what")
    for problem in problems[:ROWS]:
        table.add_row(view.name(problem.subject), view.prose(problem.message))
    parts: list[RenderableType] = [table]
    if len(problems) > ROWS:
        parts.append(view.more(len(problems) - ROWS, "lines"))
    return parts


def _facts() -> Table:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(no_wrap=True, style="dim")
    facts.add_column(overflow="fold")
    return facts
