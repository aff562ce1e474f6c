"""`provenance results FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import arguments
from cli.commands.rows import Format, check_output, shape_of, show
from cli.exit_codes import ExitCode


def results(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Results file of a scan.")],
    format_: Annotated[Format, typer.Option("--format", help="How the rows are shown.")] = Format.TABLE,
    language: Annotated[
        arguments.Language, typer.Option("--lang", help="Language of the page.")
    ] = arguments.Language.EN,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where", metavar="FIELD=VALUE", help="Only such rows; VALUE may hold * and ?. Repeat to narrow."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write the rows to FILE instead; a page if FILE is .html."),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", metavar="FILE", help="End with exit code 1 when a row breaks a rule.")
    ] = None,
) -> ExitCode:
    """Show the rows of a scan, also of one that is still running.

    Exit code: 0, or 1 when a row that is shown breaks a rule of --policy; 2 when FILE cannot be read.
    """
    from provenance.scan.formats import COLUMNS, matching
    from provenance.scan.ledger import Ledger
    from provenance.scan.policy import read_policy

    shape = shape_of(format_, output)
    check_output(shape, output)
    conditions = arguments.conditions(where or [], COLUMNS)
    rules = None if policy is None else read_policy(policy)
    with Ledger(file) as ledger:
        rows = [row for row in ledger.rows() if matching(row, conditions)]
    return show(rows, shape, rules, output, language.value)
