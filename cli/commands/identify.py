"""`provenance identify M`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from cli import arguments
from cli.commands.delivery import Delivery
from cli.exit_codes import ExitCode
from cli.progress import progress_bar
from provenance.options import ALPHA


def identify(
    model: Annotated[
        str, typer.Argument(metavar="M", help="Checkpoint or fingerprint: a path, or ORG/NAME on the Hub.")
    ],
    library: Annotated[
        Path | None, typer.Option("--library", metavar="DIR", help="Library to search. [default: the user's own]")
    ] = None,
    top: Annotated[int, typer.Option("--top", metavar="K", help="Most candidates to list.")] = 10,
    fingerprints_only: Annotated[
        bool, typer.Option("--fingerprints-only", help="Do not read candidates' weights, where the library knows them.")
    ] = False,
    alpha: Annotated[
        float, typer.Option("--alpha", metavar="P", help="Level; divided by the number of entries searched.")
    ] = ALPHA,
    variant: Annotated[str | None, typer.Option("--variant", metavar="NAME", help="Weight set to read.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the full result as JSON.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write the result to FILE (.json, .txt or .html) as well."),
    ] = None,
    language: Annotated[
        arguments.Language, typer.Option("--lang", help="Language of the page.")
    ] = arguments.Language.EN,
    quiet: arguments.Quiet = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Everything that was found.")] = False,
) -> ExitCode:
    """Find the known models that a checkpoint comes from: by its architecture, and by the weights in a library."""
    arguments.not_both(("-q", quiet), ("-v", verbose))
    arguments.at_least("--top", top, 1)
    arguments.probability("--alpha", alpha)
    target = arguments.destination(output, arguments.PAGE_SUFFIXES)
    delivery = Delivery(json=json, output=target, verbose=verbose, quiet=quiet, language=language.value)

    # Imported here so that --help and mistakes on the command line cost no numpy.
    from cli.render.identification import identification_report
    from provenance.identification import IdentifyOptions
    from provenance.identification import identify as find
    from provenance.library import Library, default_library
    from provenance.library.library import INDEX

    options = IdentifyOptions(top=top, weights=not fingerprints_only, alpha=alpha, variant=variant)
    with progress_bar(quiet=quiet) as progress, ExitStack() as stack:
        opened: Library | None = None
        if library is not None or (default_library() / INDEX).is_file():
            opened = stack.enter_context(Library(library or default_library()))
        result = find(model, opened, options, progress)
    delivery.deliver(result, lambda view: identification_report(result, view), f"{result.summary}\n")
    return ExitCode.COMPLETED
