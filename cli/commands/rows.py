"""How rows of a scan reach standard output, and what a policy makes of them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from cli.commands.delivery import printable
from cli.exit_codes import ExitCode
from cli.screen import Screen, emit

if TYPE_CHECKING:
    from provenance.scan.policy import Policy
    from provenance.scan.row import Row


class Format(StrEnum):
    """How rows are shown."""

    TABLE = "table"
    CSV = "csv"
    JSONL = "jsonl"
    HTML = "html"


def as_page(rows: Sequence[Row], language: str) -> str:
    """The rows as an HTML page."""
    from provenance.messages import messages
    from provenance.reports.encoder import Presentation
    from provenance.reports.html.scan import encode
    from provenance.scan.overview import Overview

    return encode(Overview(rows=tuple(rows)), Presentation(say=messages(language)))


def show(rows: Sequence[Row], shape: Format | None, policy: Policy | None, language: str = "en") -> ExitCode:
    """Print the rows, if a shape is given, and apply the policy, if there is one.

    With CSV, JSON lines and HTML standard output holds these alone; what broke the policy then goes to standard error.
    """
    from cli.render.scan import scan_report, violations_report
    from cli.render.view import View
    from provenance.scan.formats import as_csv, as_jsonl

    screen = Screen.of(sys.stdout)
    view = View(ascii_only=screen.ascii_only)
    if shape is Format.CSV:
        emit(as_csv(rows))
    elif shape is Format.JSONL:
        emit(as_jsonl(rows))
    elif shape is Format.HTML:
        emit(printable(as_page(rows, language)))
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
