"""Where a lineage graph can come from: a matrix, or the results of a scan."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from fingerprints.errors import UsageError
from provenance.lineage.graph import Edge, Graph, Node, graph_from_json
from provenance.result import Relation
from provenance.scan.ledger import Ledger
from provenance.scan.row import Row, State

MAX_BYTES: Final = 1 << 30
SQLITE: Final = b"SQLite format 3\0"


def read_graph(path: Path) -> Graph:
    """The lineage in the JSON of a matrix or in a results file, recognised by content.

    Raises
    ------
    UsageError
        When `path` is neither.
    """
    try:
        with path.open("rb") as file:
            head = file.read(len(SQLITE))
            size = path.stat().st_size
            text = b"" if head == SQLITE or size > MAX_BYTES else head + file.read(MAX_BYTES)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint="name a matrix or a results file") from error
    if head == SQLITE:
        with Ledger(path) as ledger:
            return graph_of_rows(ledger.rows())
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} is neither a matrix nor a results file", hint="make one: provenance matrix MODELS -o FILE.json"
        ) from error
    if not isinstance(document, dict):
        raise UsageError(f"{path} holds no lineage", hint="make one: provenance matrix MODELS -o FILE.json")
    return graph_from_json(document)


def graph_of_rows(rows: Iterable[Row]) -> Graph:
    """Targets below their bases; a target that is identical to its base is folded into it."""
    done = [row for row in rows if row.state is State.DONE]
    duplicates: dict[str, list[str]] = {}
    edges = []
    for row in done:
        if row.base is not None and row.relation == Relation.IDENTICAL:
            duplicates.setdefault(row.base, []).append(row.target)
            continue
        duplicates.setdefault(row.target, [])
        if row.base is not None and row.relation == Relation.DERIVED:
            duplicates.setdefault(row.base, [])
            edges.append(_edge(row, row.base))
    nodes = tuple(
        Node(name=name, duplicates=tuple(sorted({*others} - {name}))) for name, others in sorted(duplicates.items())
    )
    return Graph(nodes=nodes, edges=tuple(sorted(edges, key=lambda edge: (edge.a, edge.b))))


def _edge(row: Row, base: str) -> Edge:
    ends = (row.target, base) if row.direction == "target_to_base" else (base, row.target)
    directed = row.direction in ("base_to_target", "target_to_base")
    return Edge(a=ends[0], b=ends[1], directed=directed, kinds=row.kinds, log10_p=row.log10_p)
