"""`provenance fingerprint M -o F`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import arguments
from cli.commands.delivery import Delivery
from cli.exit_codes import ExitCode
from cli.progress import progress_bar


def fingerprint(
    model: Annotated[str, typer.Argument(metavar="M", help="Checkpoint: a file, a folder, or ORG/NAME on the Hub.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="F", help="The fingerprint file (.safetensors).")],
    json: Annotated[bool, typer.Option("--json", help="Print what is in it as JSON.")] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Read every value, for digests that prove identity. [default: up to 256 MB]")
    ] = False,
    scan_grade: Annotated[
        bool,
        typer.Option("--scan-grade", help="Sample three layers instead of ten: less certain, a fourth of the cost."),
    ] = False,
    variant: Annotated[str | None, typer.Option("--variant", metavar="NAME", help="Weight set to read.")] = None,
    quiet: arguments.Quiet = False,
) -> ExitCode:
    """Write what others can be tested against without the weights: a file of about one megabyte.

    Every command that takes a checkpoint takes the file instead, and says what could not be tested from it.
    """
    target = arguments.fingerprint_file(output)
    delivery = Delivery(json=json, quiet=quiet)

    # Imported here so that --help and mistakes on the command line cost no numpy.
    from cli.render.library import fingerprint_line, fingerprint_report
    from fingerprints.fingerprint import Grade
    from provenance.fingerprinting import fingerprint as take
    from provenance.writing import write_atomically

    with progress_bar(quiet=quiet) as progress:
        data, summary = take(
            model,
            variant=variant,
            whole=True if full else None,
            grade=Grade.SCAN if scan_grade else Grade.FULL,
            progress=progress,
        )
    write_atomically(target, data)
    delivery.deliver(summary, lambda view: fingerprint_report(summary, view), fingerprint_line(summary))
    return ExitCode.COMPLETED
