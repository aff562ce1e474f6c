"""Where a result goes: a file, standard output, or both; and as which document."""

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
    from provenance.reports.encoder import Presentation
    from provenance.reports.json import Document
    from provenance.result import Relation, Result

Renderer = Callable[["View"], list["RenderableType"]]

TEXT = "text"
"""The report as text, which is the command line's own and no encoder's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What the user asked to see, and where. `source` is the file that a saved result was read from."""

    json: bool = False
    format: str = TEXT
    output: Path | None = None
    table: Path | None = None
    verbose: bool = False
    quiet: bool = False
    language: str = "en"
    failing: frozenset[Relation] = frozenset()
    source: bytes | None = None

    def check(self, document: type) -> None:
        """Find out before the work whether what is wanted of such a document can be written.

        Raises
        ------
        UsageError
            When it cannot.
        """
        from provenance.reports.formats import encoder_of, find_encoder
        from provenance.reports.table import check_table
        from provenance.writing import check_destination

        if self._format != TEXT:
            find_encoder(self._format, document)
        if self.output is not None:
            encoder_of(self.output, document)
        if self.table is not None:
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
        `one_line`, and with an output file drops other documents from standard output.
        """
        if self.output is not None:
            self._write(self.output, document, renderer)
        if self._format != TEXT:
            if not (self.quiet and self.output is not None):
                emit(printable(self._encoded(document)))
        elif self.quiet:
            emit(one_line)
        else:
            emit(self._drawn(Screen.of(sys.stdout), renderer))

    @property
    def _format(self) -> str:
        return "json" if self.json else self.format

    def _encoded(self, document: Document) -> str:
        from provenance.reports.formats import find_encoder

        return find_encoder(self._format, type(document)).encode(document, self._presentation())

    def _write(self, path: Path, document: Document, renderer: Renderer) -> None:
        from provenance.reports.formats import encoder_of
        from provenance.writing import write_atomically

        encoder = encoder_of(path, type(document))
        text = self._drawn(Screen(), renderer) if encoder is None else encoder.encode(document, self._presentation())
        write_atomically(path, text)

    def _presentation(self) -> Presentation:
        from provenance.messages import messages
        from provenance.reports.encoder import Presentation

        return Presentation(failing=self.failing, say=messages(self.language), source=self.source)

    def _drawn(self, screen: Screen, renderer: Renderer) -> str:
        from cli.render.view import View

        return screen.draw(renderer(View.on(screen, verbose=self.verbose, language=self.language)))


def printable(text: str) -> str:
    """`text` as standard output can take it: the formats that hold more than ASCII know character references."""
    return text.encode("ascii", "xmlcharrefreplace").decode() if Screen.of(sys.stdout).ascii_only else text
