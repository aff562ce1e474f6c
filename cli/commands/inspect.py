"""`provenance inspect M`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import arguments
from cli.commands.delivery import Delivery
from cli.exit_codes import ExitCode


def inspect(
    model: Annotated[str, typer.Argument(metavar="M", help="Checkpoint: a file, a folder, or ORG/NAME on the Hub.")],
    json: Annotated[bool, typer.Option("--json", help="Print the inspection as JSON.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write the inspection to FILE (.json or .txt) as well."),
    ] = None,
    variant: Annotated[str | None, typer.Option("--variant", metavar="NAME", help="Weight set to look at.")] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Every pattern, shape and claim.")] = False,
) -> ExitCode:
    """Show what a checkpoint holds: format, sizes, dtypes, tensors by pattern, and what is odd about it."""
    delivery = Delivery(json=json, output=arguments.destination(output), verbose=verbose)

    # Imported here so that --help and mistakes on the command line cost no numpy.
    from cli.render.inspection import inspection_report
    from provenance.inspection import inspect as inspect_checkpoint

    inspection = inspect_checkpoint(model, variant=variant)
    delivery.deliver(inspection, lambda view: inspection_report(inspection, view))
    return ExitCode.COMPLETED
