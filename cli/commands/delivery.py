"""Where a result goes: a file, standard output, or both."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.screen import Screen, emit

if TYPE_CHECKING:
    from rich.console import RenderableType

    from cli.render.view import View
    from provenance.reports.json import Document
    from provenance.result import Result

Renderer = Callable[["View"], list["RenderableType"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What the user asked to see, and where."""

    json: bool = False
    output: Path | None = None
    table: Path | None = None
    verbose: bool = False
    quiet: bool = False

    def check_table(self) -> None:
        """Find out before the work whether the table can be written.

        Raises
        ------
        UsageError
            When it cannot.
        """
        if self.table is not None:
            from provenance.reports.table import check_table
            from provenance.writing import check_destination

            check_table(self.table)
            check_destination(self.table)

    def write_table(self, result: Result) -> None:
        """Write the table of tensors, if one is wanted."""
        if self.table is not None:
            from provenance.reports.table import encode_table
            from provenance.writing import write_atomically

            write_atomically(self.table, encode_table(result, self.table.suffix))

    def deliver(self, document: Document, renderer: Renderer, one_line: str = "") -> None:
        """Write the file, if one is wanted, then standard output.

        The file comes first: it is there even when nobody reads the rest. `--quiet` replaces the text report by
        `one_line`, and with an output file drops the JSON from standard output.
        """
        if self.output is not None:
            self._write(self.output, document, renderer)
        if self.json:
            if not (self.quiet and self.output is not None):
                emit(_encoded(document))
        elif self.quiet:
            emit(one_line)
        else:
            emit(self._drawn(Screen.of(sys.stdout), renderer))

    def _write(self, path: Path, document: Document, renderer: Renderer) -> None:
        from provenance.writing import write_atomically

        write_atomically(path, _encoded(document) if path.suffix == ".json" else self._drawn(Screen(), renderer))

    def _drawn(self, screen: Screen, renderer: Renderer) -> str:
        from cli.render.view import View

        return screen.draw(renderer(View(verbose=self.verbose, ascii_only=screen.ascii_only)))


def _encoded(document: Document) -> str:
    from provenance.reports.json import encode

    return encode(document)
