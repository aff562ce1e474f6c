"""What one part of the bench found: checks that pass or fail, tables to read, and the same as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

OUT = Path(__file__).parent / "out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One requirement and what was observed."""

    name: str
    observed: str
    required: str
    passed: bool

    @classmethod
    def at_most(cls, name: str, value: float, limit: float, form: str = "{}") -> Check:
        """A value that must not be above a limit; `form` shows both."""
        return cls(name=name, observed=form.format(value), required=f"<= {form.format(limit)}", passed=value <= limit)

    @classmethod
    def at_least(cls, name: str, value: float, least: float, form: str = "{}") -> Check:
        """A value that must not be below another; `form` shows both."""
        return cls(name=name, observed=form.format(value), required=f">= {form.format(least)}", passed=value >= least)

    @classmethod
    def all_of(cls, name: str, count: int, total: int) -> Check:
        """Something that must hold of all there are."""
        return cls(name=name, observed=f"{count} of {total}", required="all", passed=count == total)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table: a title, column heads and rows of text."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of one part; `data` holds the numbers behind it, `notes` what a reader has to know."""

    part: str
    checks: Sequence[Check]
    grids: Sequence[Grid] = ()
    notes: Sequence[str] = ()
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether every requirement is met."""
        return all(check.passed for check in self.checks)

    def show(self, console: Console) -> None:
        """Print the tables, then the checks."""
        for grid in self.grids:
            console.print(_table(grid))
        for note in self.notes:
            console.print(note)
        columns = ("check", "observed", "required", "")
        rows = [
            (check.name, check.observed, check.required, "ok" if check.passed else "FAILED") for check in self.checks
        ]
        console.print(_table(Grid(title=f"{self.part}: checks", columns=columns, rows=rows)))

    def write(self, seconds: float, folder: Path = OUT) -> Path:
        """Write `<part>.json` with the machine it was measured on and return its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.part}.json"
        path.write_text(
            json.dumps(asdict(self) | {"seconds": round(seconds, 1), "machine": machine()}, indent=1) + "\n"
        )
        return path


def machine() -> dict[str, Any]:
    """What the numbers depend on besides the code."""
    return {
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "torch": version("torch"),
    }


def _table(grid: Grid) -> Table:
    table = Table(title=grid.title, title_justify="left")
    for number, column in enumerate(grid.columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    for row in grid.rows:
        table.add_row(*row)
    return table
