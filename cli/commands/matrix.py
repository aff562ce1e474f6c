"""`provenance matrix MODEL…`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli import arguments
from cli.exit_codes import ExitCode
from cli.progress import progress_bar
from cli.screen import Screen, emit
from provenance.options import ALPHA, Options


def matrix(
    models: Annotated[
        list[str],
        typer.Argument(metavar="MODEL...", help="Models, folders of models, globs, @LIST, or - for standard input."),
    ],
    jobs: Annotated[int, typer.Option("--jobs", metavar="N", help="Pairs under way at once.")] = 1,
    alpha: Annotated[float, typer.Option("--alpha", metavar="P", help="Error rate of all pairs together.")] = ALPHA,
    json: Annotated[bool, typer.Option("--json", help="Print pairs and lineage as JSON.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the JSON to FILE as well, for `tree`.")
    ] = None,
    rows: Annotated[int | None, typer.Option("--rows", metavar="N", help="Units sampled of each matrix.")] = None,
    layers: Annotated[int, typer.Option("--layers", metavar="N", help="Layers sampled of a deep stack.")] = 8,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
) -> ExitCode:
    """Compare all pairs of local models, and draw the lineage that they make.

    Exit code: 0 when the pairs were compared, whatever they are; 2 when that could not be done.
    """
    options = Options(
        rows=None if rows is None else arguments.at_least("--rows", rows, arguments.MIN_ROWS),
        layers=arguments.at_least("--layers", layers, 1),
        alpha=arguments.probability("--alpha", alpha),
    )
    jobs = arguments.at_least("--jobs", jobs, 1)

    # Imported here so that --help and mistakes on the command line cost no numpy.
    from json import dumps

    from cli.render.matrix import matrix_report
    from cli.render.view import View
    from provenance.lineage.matrix import matrix as compare_all
    from provenance.lineage.matrix import matrix_to_json
    from provenance.scan.targets import read_targets
    from provenance.writing import check_destination, write_atomically

    if output is not None:
        check_destination(output)
    with progress_bar(quiet=quiet) as progress:
        found = compare_all(read_targets(models, sys.stdin), options, jobs=jobs, progress=progress)
    text = dumps(matrix_to_json(found), indent=2) + "\n"
    if output is not None:
        write_atomically(output, text)
    screen = Screen.of(sys.stdout)
    emit(text if json else screen.draw(matrix_report(found, View(ascii_only=screen.ascii_only))))
    return ExitCode.COMPLETED
