"""The page of a scan: what was found, all rows in one table, and the lineage that they make."""

from __future__ import annotations

from provenance.lineage.drawing import as_text
from provenance.lineage.sources import graph_of_rows
from provenance.reports.encoder import Presentation
from provenance.reports.html.page import render_page
from provenance.reports.lineage_picture import draw_lineage
from provenance.result import Relation
from provenance.scan.overview import Overview
from provenance.version import DISTRIBUTION, installed

MOST_ROWS = 2000
"""Rows of the table; JSON lines have all."""


def encode(overview: Overview, presentation: Presentation) -> str:
    """`overview` as one HTML page."""
    graph = graph_of_rows(overview.rows)
    order = [*map(str, Relation), "done", "error", "pending"]
    found = overview.relations
    return render_page(
        "scan.html",
        presentation.say,
        rows=overview.rows[:MOST_ROWS],
        more=max(len(overview.rows) - MOST_ROWS, 0),
        relations=[(name, found[name]) for name in sorted(found, key=order.index)],
        claims=sorted(overview.claims.items()),
        failed=overview.failed[:MOST_ROWS],
        failed_more=max(len(overview.failed) - MOST_ROWS, 0),
        picture=draw_lineage(graph),
        lines=as_text(graph).splitlines()[:MOST_ROWS],
        read=sum(row.bytes_read for row in overview.rows),
        seconds=sum(row.seconds for row in overview.rows),
        version=installed(DISTRIBUTION),
    )
