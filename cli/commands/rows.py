"""How rows of a scan reach standard output, and what a policy makes of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from cli.commands.delivery import printable
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
    HTML = "html"
    PARQUET = "parquet"


def shape_of(shape: Format, output: Path | None) -> Format:
    """The shape that was asked for; a page for a file that is named like one."""
    return Format.HTML if shape is Format.TABLE and output is not None and output.suffix == ".html" else shape


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
        raise UsageError("a table is for the screen", hint="write rows as --format csv, jsonl, html or parquet")
    if output is not None:
        check_destination(output)


def encoded(rows: Sequence[Row], shape: Format, language: str) -> str | bytes:
    """The rows as a document."""
    from provenance.scan.formats import as_csv, as_jsonl

    if shape is Format.PARQUET:
        from provenance.scan.parquet import as_parquet

        return as_parquet(rows)
    if shape is Format.HTML:
        from provenance.messages import messages
        from provenance.reports.encoder import Presentation
        from provenance.reports.html.scan import encode
        from provenance.scan.overview import Overview

        return encode(Overview(rows=tuple(rows)), Presentation(say=messages(language)))
    return as_csv(rows) if shape is Format.CSV else as_jsonl(rows)


def show(
    rows: Sequence[Row],
    shape: Format | None,
    policy: Policy | None,
    output: Path | None = None,
    language: str = "en",
) -> ExitCode:
    """Print the rows, if a shape is given, or write them to a file, and apply the policy, if there is one.

    With CSV, JSON lines and HTML standard output holds these alone; what broke the policy then goes to standard error.
    """
    from cli.render.scan import scan_report, violations_report
    from cli.render.view import View

    screen = Screen.of(sys.stdout)
    view = View(ascii_only=screen.ascii_only)
    if shape is not None and shape is not Format.TABLE:
        document = encoded(rows, shape, language)
        if output is not None:
            write_atomically(output, document)
        elif isinstance(document, str):
            emit(printable(document) if shape is Format.HTML else document)
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
