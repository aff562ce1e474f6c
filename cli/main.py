"""The command line: its commands, and the one place where every error ends.

Standard output carries the result and nothing else; standard error carries progress, `error:` and `hint:` lines.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from cli.commands.compare import compare
from cli.commands.decompose import decompose
from cli.commands.fingerprint import fingerprint
from cli.commands.identify import identify
from cli.commands.inspect import inspect
from cli.commands.library import app as library
from cli.commands.matrix import matrix
from cli.commands.render import render
from cli.commands.results import results
from cli.commands.scan import scan
from cli.commands.tree import tree
from cli.commands.verify import verify
from cli.completion import PROGRAM, answer_shell, completion
from cli.errors import DEBUG_VARIABLE, complaint, trace_text
from cli.exit_codes import ExitCode
from cli.manual import describe
from cli.screen import Screen, complain, emit
from cli.version import version_text

app = typer.Typer(name=PROGRAM, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
app.command("compare")(compare)
app.command("decompose")(decompose)
app.command("fingerprint")(fingerprint)
app.command("identify")(identify)
app.command("inspect")(inspect)
app.command("render")(render)
app.command("verify")(verify)
app.command("scan")(scan)
app.command("results")(results)
app.command("matrix")(matrix)
app.command("tree")(tree)
app.command("completion")(completion)
app.add_typer(library)
describe(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        emit(version_text())
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Tell from the weights whether one open-weight model was derived from another."""


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line and return its exit code; no exception leaves this function."""
    command = typer.main.get_command(app)
    try:
        with command.make_context(PROGRAM, list(arguments)) as context:
            code = command.invoke(context)
        emit("")
        return int(code)
    except typer.Exit as end:
        return end.exit_code
    except KeyboardInterrupt:
        complain("interrupted\n")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        emit("")
        return ExitCode.COMPLETED
    except Exception as error:
        ascii_only = Screen.of(sys.stderr).ascii_only
        answer = complaint(error)
        if answer.unexpected and _wants_trace(arguments):
            complain(trace_text(error, ascii_only=ascii_only))
        complain(answer.text(ascii_only=ascii_only))
        return answer.code


def _wants_trace(arguments: Sequence[str]) -> bool:
    return os.environ.get(DEBUG_VARIABLE) == "1" or not {"-v", "--verbose"}.isdisjoint(arguments)


def main() -> None:
    """Entry point of the console script."""
    answered = answer_shell(app)
    sys.exit(run(sys.argv[1:]) if answered is None else answered)


if __name__ == "__main__":
    main()
