"""Completion in shells: the script that a shell reads once, and the answers that it then asks the program for."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Annotated, Final

import typer
from typer._completion_classes import completion_init
from typer._completion_shared import get_completion_script
from typer.completion import shell_complete

from cli.exit_codes import ExitCode
from cli.screen import emit
from provenance.result import Relation

PROGRAM: Final = "provenance"
VARIABLE: Final = "_PROVENANCE_COMPLETE"
"""Set by the script when a shell asks; its value says for which shell."""


class Shell(StrEnum):
    """Shells that a script is there for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")]) -> ExitCode:
    """Print the script that completes this program's commands, options and their values in a shell.

    Exit code: 0.
    """
    emit(get_completion_script(prog_name=PROGRAM, complete_var=VARIABLE, shell=shell.value) + "\n")
    return ExitCode.COMPLETED


def answer_shell(app: typer.Typer) -> int | None:
    """The exit code after a shell's question was answered; None where no shell asks."""
    instruction = os.environ.get(VARIABLE)
    if not instruction:
        return None
    completion_init()
    return shell_complete(typer.main.get_command(app), {}, PROGRAM, VARIABLE, instruction)


def relations(incomplete: str) -> list[str]:
    """The relations that complete the last of a comma-separated list."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in Relation if name.startswith(last)]


def formats(incomplete: str) -> list[str]:
    """The formats of a comparison's document."""
    names = ("text", "json", "html", "markdown", "cyclonedx", "sarif", "in-toto")
    return [name for name in names if name.startswith(incomplete)]
