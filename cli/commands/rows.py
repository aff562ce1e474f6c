"""How rows of a scan reach standard output, and what a policy makes of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from cli.exit_codes import ExitCode
from cli.screen import Screen, emit
from fingerprints.errors import UsageError
from provenance.writing import check_destination, write_atomically

if TYPE_CHECKING:
    from provenance.scan.policy import Policy
    from provenance.scan.row import Row


class Format(StrEnum):
    """How rows are shown."""

    TABLE = "table"
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


def check_output(shape: Format, output: Path | None) -> None:
    """Refuse files of shapes that are for the screen, and the other way round.

    Raises
    ------
    UsageError
        When shape and file do not go together.
    """
    if shape is Format.PARQUET and output is None:
        raise UsageError(
            "Parquet is no text to be printed", hint="use: provenance results FILE --format parquet -o rows.parquet"
        )
    if shape is Format.TABLE and output is not None:
        raise UsageError("a table is for the screen", hint="write rows as --format csv, jsonl or parquet")
    if output is not None:
        check_destination(output)


def show(rows: Sequence[Row], shape: Format | None, policy: Policy | None, output: Path | None = None) -> ExitCode:
    """Print the rows, if a shape is given, or write them to a file, and apply the policy, if there is one.

    With CSV and JSON lines standard output holds these alone; what broke the policy then goes to standard error.
    """
    from cli.render.scan import scan_report, violations_report
    from cli.render.view import View
    from provenance.scan.formats import as_csv, as_jsonl
    from provenance.scan.parquet import as_parquet

    screen = Screen.of(sys.stdout)
    view = View(ascii_only=screen.ascii_only)
    if shape is Format.PARQUET and output is not None:
        write_atomically(output, as_parquet(rows))
    elif shape in (Format.CSV, Format.JSONL):
        text = as_csv(rows) if shape is Format.CSV else as_jsonl(rows)
        emit(text) if output is None else write_atomically(output, text)
    elif shape is Format.TABLE:
        emit(screen.draw(scan_report(rows, view)))
    if policy is None:
        return ExitCode.COMPLETED
    broken = policy.violations(rows)
    if not broken:
        return ExitCode.COMPLETED
    if shape is Format.TABLE:
        emit(screen.draw(violations_report(broken, view)))
    else:
        from cli.screen import complain

        errors = Screen.of(sys.stderr)
        complain(errors.draw(violations_report(broken, View(ascii_only=errors.ascii_only))))
    return ExitCode.CONDITION_MET
