"""`provenance tree SOURCE`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import arguments
from cli.exit_codes import ExitCode
from cli.progress import progress_bar
from cli.screen import Screen, complain, emit
from provenance.escaping import visible

if TYPE_CHECKING:
    from provenance.lineage.graph import Graph


class Shape(StrEnum):
    """How the graph is written."""

    TEXT = "text"
    JSON = "json"
    GRAPHML = "graphml"
    DOT = "dot"


def tree(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="JSON of a matrix, results file of a scan, or a library's folder.")
    ],
    format_: Annotated[Shape, typer.Option("--format", help="How the graph is written.")] = Shape.TEXT,
    jobs: Annotated[
        int, typer.Option("--jobs", metavar="N", help="Of a library: comparisons of weights under way at once.")
    ] = 1,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
) -> ExitCode:
    """Draw the lineage that a matrix or a scan has found, or that of a library: who comes from whom, with arrows where
    that is known.

    Exit code: 0, or 2 when SOURCE cannot be read.
    """
    jobs = arguments.at_least("--jobs", jobs, 1)
    from provenance.lineage.drawing import as_text
    from provenance.lineage.formats import as_dot, as_graphml, as_json
    from provenance.lineage.sources import read_graph

    graph = _of_library(source, jobs, quiet=quiet) if source.is_dir() else read_graph(source)
    if format_ is not Shape.TEXT:
        emit({Shape.JSON: as_json, Shape.GRAPHML: as_graphml, Shape.DOT: as_dot}[format_](graph))
        return ExitCode.COMPLETED
    ascii_only = Screen.of(sys.stdout).ascii_only
    lines = as_text(graph, ascii_only=ascii_only).splitlines()
    emit("".join(f"{visible(line, limit=1000, ascii_only=ascii_only)}\n" for line in lines))
    return ExitCode.COMPLETED


def _of_library(folder: Path, jobs: int, *, quiet: bool) -> Graph:
    from provenance.library import Library
    from provenance.lineage.kinship import library_graph

    with Library(folder) as library, progress_bar(quiet=quiet) as progress:
        found = library_graph(library, jobs=jobs, progress=progress)
    ascii_only = Screen.of(sys.stderr).ascii_only
    for each in found.errors:
        line = f"{each.target} could not be compared by their weights: {each.message}"
        complain(f"{visible(line, limit=1000, ascii_only=ascii_only)}\n")
    return found.graph
