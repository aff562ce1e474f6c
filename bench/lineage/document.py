"""Writes `docs/benchmark.md`: the method, and the tables of the last run."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from string import Template

from bench.outcome import Grid, Outcome, machine
from bench.zoo.cache import REPOSITORY

TARGET = REPOSITORY / "docs" / "benchmark.md"
TEMPLATE = Path(__file__).with_name("benchmark.md")


def write(outcomes: Sequence[Outcome], target: Path = TARGET) -> Path:
    """Fill the template with what the parts found, each under its part's name."""
    found = {outcome.part: section(outcome) for outcome in outcomes}
    measured = ", ".join(f"{name} {value}" for name, value in machine().items())
    text = TEMPLATE.read_text()
    date = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    target.write_text(Template(text).substitute(found, date=date, machine=measured))
    return target


def section(outcome: Outcome) -> str:
    """Checks, tables and notes of a part."""
    checks = Grid(
        title="Requirements",
        columns=("requirement", "observed", "required", ""),
        rows=[
            (check.name, check.observed, check.required, "ok" if check.passed else "**missed**")
            for check in outcome.checks
        ],
    )
    grids = [*([checks] if outcome.checks else []), *outcome.grids]
    return "\n\n".join([*(table(grid) for grid in grids), *outcome.notes])


def table(grid: Grid) -> str:
    """A table in Markdown under its title."""
    if not grid.rows:
        return f"### {grid.title}\n\nNone."
    lines = [grid.columns, ["---"] * len(grid.columns), *grid.rows]
    return f"### {grid.title}\n\n" + "\n".join(f"| {' | '.join(map(escaped, line))} |" for line in lines)


def escaped(cell: str) -> str:
    """Text that is safe in a cell."""
    return cell.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
