"""From an exception to what a user reads: what happened, what to do next, and the exit code.

KeyboardInterrupt   interrupted
AuditError          its own message and hint
TyperException      a mistake on the command line; `--help` is the hint
MemoryError         ask for less at once
OSError             the system's words and the file
anything else       a defect of the program
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass

import typer

from cli.exit_codes import ExitCode
from fingerprints.errors import AuditError
from provenance.escaping import prose, visible

DEBUG_VARIABLE = "PROVENANCE_DEBUG"


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """What goes to standard error, and the code the program ends with."""

    message: str
    hint: str = ""
    code: ExitCode = ExitCode.FAILED
    unexpected: bool = False

    def text(self, *, ascii_only: bool) -> str:
        """`error:` and `hint:` lines."""
        lines = [f"error: {prose(self.message, ascii_only=ascii_only)}"]
        if self.hint:
            lines.append(f"hint: {prose(self.hint, ascii_only=ascii_only)}")
        return "\n".join(lines) + "\n"


def complaint(error: Exception) -> Complaint:
    """What to tell the user about `error`."""
    if isinstance(error, AuditError):
        return Complaint(message=error.message, hint=error.hint)
    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "provenance"
        return Complaint(message=_lowered(error.format_message()), hint=f"`{command} --help` lists what it takes")
    if isinstance(error, MemoryError):
        return Complaint(message="out of memory", hint="compare less at once: --subtree PREFIX, or fewer --rows")
    if isinstance(error, OSError):
        where = "" if error.filename is None else f": {error.filename}"
        return Complaint(message=f"{error.strerror or error}{where}", hint="check that the file exists and can be used")
    return Complaint(
        message=f"internal error ({type(error).__name__}: {error})",
        hint=f"this is a defect of the program: please report it with what it prints under {DEBUG_VARIABLE}=1",
        unexpected=True,
    )


def trace_text(error: BaseException, *, ascii_only: bool) -> str:
    """The traceback of `error`, its lines escaped like all text that may quote names."""
    lines = "".join(traceback.format_exception(error)).rstrip("\n").split("\n")
    return "".join(f"{visible(line, limit=500, ascii_only=ascii_only)}\n" for line in lines)


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]
