"""`provenance verify RESULT.json [A B]`."""

from __future__ import annotations

import json as json_module
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli import arguments
from cli.exit_codes import ExitCode
from cli.progress import progress_bar
from cli.screen import Screen, emit


def verify(
    saved: Annotated[
        Path,
        typer.Argument(
            metavar="RESULT.json", help="What `compare -o RESULT.json` wrote, or the folder of `compare --evidence`."
        ),
    ],
    a: Annotated[str | None, typer.Argument(metavar="A", help="Where A is now. [default: the recorded place]")] = None,
    b: Annotated[str | None, typer.Argument(metavar="B", help="Where B is now. [default: the recorded place]")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print every line as JSON.")] = False,
    language: Annotated[
        arguments.Language, typer.Option("--lang", help="Language of the report.")
    ] = arguments.Language.EN,
    quiet: arguments.Quiet = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Lines that are equal, too.")] = False,
) -> ExitCode:
    """Compare again with the recorded options, and say line by line whether the saved result is what comes out.

    Of a folder of evidence, the digests of its files and of all rows that it lists are lines as well.

    Exit code: 0 when all lines agree, 1 when one does not, 2 when the comparison could not complete.
    """
    arguments.not_both(("-q", quiet), ("-v", verbose))
    arguments.both_or_neither(a, b)

    # Imported here so that --help and mistakes on the command line cost no numpy.
    from cli.render.verification import one_line, verification_report
    from cli.render.view import View
    from provenance.evidence_folder import open_evidence
    from provenance.result import to_json
    from provenance.saved import open_saved
    from provenance.verification import verify as verify_result

    evidence = open_evidence(saved) if saved.is_dir() else None
    found = open_saved(saved) if evidence is None else evidence.saved
    with progress_bar(quiet=quiet) as progress:
        verification = verify_result(found.result, a, b, progress, evidence=evidence)
    if json:
        emit(json_module.dumps(to_json(verification), indent=2, allow_nan=False) + "\n")
    elif quiet:
        emit(one_line(verification))
    else:
        screen = Screen.of(sys.stdout)
        view = View.on(screen, verbose=verbose, language=language.value)
        emit(screen.draw(verification_report(verification, view)))
    return ExitCode.COMPLETED if verification.reproduced else ExitCode.CONDITION_MET
