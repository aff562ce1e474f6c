"""`provenance decompose M --parents P1 P2 …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import arguments
from cli.commands.delivery import Delivery
from cli.exit_codes import ExitCode
from cli.progress import progress_bar
from provenance.decomposition.options import DecomposeOptions


def decompose(
    model: Annotated[str, typer.Argument(metavar="M", help="The merge: a file, a folder, or ORG/NAME on the Hub.")],
    more: Annotated[list[str] | None, typer.Argument(metavar="[P2 ...]", help="Further parents.")] = None,
    parents: Annotated[
        list[str] | None,
        typer.Option("--parents", metavar="P1", help="What it may be a merge of: --parents P1 P2 ..., 2 to 8 of them."),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option("--base", metavar="B", help="What the parents were trained from; TIES and DARE need it."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the full result as JSON.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write the result to FILE (.json or .txt) as well."),
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option("--rows", metavar="N", help="Rows sampled of each matrix. [default: 64; all of a small model]"),
    ] = None,
    layers: Annotated[
        int | None, typer.Option("--layers", metavar="N", help="Layers sampled of a deep stack. [default: all]")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Read every value.")] = False,
    sample_seed: Annotated[
        int, typer.Option("--sample-seed", metavar="S", help="Sample other positions than the public ones.")
    ] = 0,
    budget: arguments.Budget = None,
    allow_download: arguments.AllowDownload = False,
    quiet: arguments.Quiet = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Everything that was measured.")] = False,
) -> ExitCode:
    """Tell which merge of given parents M is: weights with 95 % intervals, method, residual, and the recipe.

    Exit code: 0 when the decomposition completed, whatever it found; 2 when it could not complete.
    """
    arguments.not_both(("-q", quiet), ("-v", verbose))
    arguments.not_both(("--budget", budget is not None), ("--allow-download", allow_download))
    options = DecomposeOptions(
        rows=None if rows is None else arguments.at_least("--rows", rows, arguments.MIN_ROWS),
        layers=None if layers is None else arguments.at_least("--layers", layers, 1),
        full=full,
        sample_seed=arguments.at_least("--sample-seed", sample_seed, 0),
        budget=None if budget is None else arguments.nbytes("--budget", budget),
        allow_download=allow_download,
    )
    delivery = Delivery(json=json, output=arguments.destination(output), verbose=verbose, quiet=quiet)
    given = arguments.parents(parents or [], more or [])

    # Imported here so that --help and mistakes on the command line cost no numpy.
    from cli.render.decomposition import decomposition_report, one_line
    from provenance.decomposition.decompose import decompose as decompose_checkpoint

    with progress_bar(quiet=quiet) as progress:
        found = decompose_checkpoint(model, given, base, options, progress)
    delivery.deliver(found, lambda view: decomposition_report(found, view), one_line(found))
    return ExitCode.COMPLETED
