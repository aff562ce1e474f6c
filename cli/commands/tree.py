"""`provenance tree FILE`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cli.exit_codes import ExitCode
from cli.screen import Screen, emit
from provenance.escaping import visible


class Shape(StrEnum):
    """How the graph is written."""

    TEXT = "text"
    JSON = "json"
    GRAPHML = "graphml"
    DOT = "dot"


def tree(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON of a matrix, or results file of a scan.")],
    format_: Annotated[Shape, typer.Option("--format", help="How the graph is written.")] = Shape.TEXT,
) -> ExitCode:
    """Draw the lineage that a matrix or a scan has found: who comes from whom, with arrows where that is known.

    Exit code: 0, or 2 when FILE cannot be read.
    """
    from provenance.lineage.drawing import as_text
    from provenance.lineage.formats import as_dot, as_graphml, as_json
    from provenance.lineage.sources import read_graph

    graph = read_graph(file)
    if format_ is not Shape.TEXT:
        emit({Shape.JSON: as_json, Shape.GRAPHML: as_graphml, Shape.DOT: as_dot}[format_](graph))
        return ExitCode.COMPLETED
    ascii_only = Screen.of(sys.stdout).ascii_only
    lines = as_text(graph, ascii_only=ascii_only).splitlines()
    emit("".join(f"{visible(line, limit=1000, ascii_only=ascii_only)}\n" for line in lines))
    return ExitCode.COMPLETED
