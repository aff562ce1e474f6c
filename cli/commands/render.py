"""`provenance render RESULT.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import arguments
from cli.commands.delivery import TEXT, Delivery
from cli.completion import formats, relations
from cli.exit_codes import ExitCode

SUFFIXES = ", ".join(arguments.COMPARISON_SUFFIXES)


def render(
    saved: Annotated[Path, typer.Argument(metavar="RESULT.json", help="What `compare -o RESULT.json` wrote.")],
    format_: Annotated[
        str, typer.Option("--format", metavar="NAME", help=arguments.FORMAT_HELP, autocompletion=formats)
    ] = TEXT,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help=f"Write to FILE instead ({SUFFIXES})."),
    ] = None,
    language: Annotated[
        arguments.Language, typer.Option("--lang", help="Language of text, HTML and Markdown reports.")
    ] = arguments.Language.EN,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-on",
            metavar="RELATION[,...]",
            help="Report these relations as breaches, and end with exit code 1.",
            autocompletion=relations,
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Everything that was measured.")] = False,
) -> ExitCode:
    """Show a saved result of a comparison, of this version or an earlier one, as another document.

    No checkpoint is read. Exit code: 0 when it was shown; 1 when --fail-on names its relation; 2 when it could not be
    read or written.
    """
    failing = arguments.relations(fail_on or [])
    output = arguments.destination(output, arguments.COMPARISON_SUFFIXES)

    # Imported here so that --help and mistakes on the command line cost no numpy.
    from cli.render.report import one_line, report
    from provenance.result import Result
    from provenance.saved import open_saved

    found = open_saved(saved)
    delivery = Delivery(
        format=format_,
        output=output,
        verbose=verbose,
        quiet=output is not None,
        language=language.value,
        failing=failing,
        source=found.source,
    )
    delivery.check(Result)
    delivery.deliver(found.result, lambda view: report(found.result, view), one_line(found.result))
    return ExitCode.CONDITION_MET if found.result.verdict.relation in failing else ExitCode.COMPLETED
