"""A library as a worker holds it: what the last targets needed is not read again for the next one."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

from fingerprints.fingerprint.retrieval import RetrievalTable
from provenance.fingerprint_comparison import Printed
from provenance.library import Library
from provenance.library.library import INDEX

HELD: Final = 64
"""Fingerprints that a process keeps, about two megabytes each once they are opened."""


class Shelf(Library):
    """A library that does not change while the process lasts, but for its index as a whole."""

    def read(self, content: str) -> Printed:
        """As a library does; the values are shared, and never written to."""
        return _printed(self.path, content)

    def table(self) -> tuple[tuple[str, ...], RetrievalTable]:
        """As a library does."""
        index = (self.path / INDEX).stat()
        return _table(self.path, index.st_mtime_ns, index.st_size)


@lru_cache(HELD)
def _printed(folder: Path, content: str) -> Printed:
    with Library(folder) as library:
        return library.read(content)


@lru_cache(1)
def _table(folder: Path, changed: int, size: int) -> tuple[tuple[str, ...], RetrievalTable]:
    with Library(folder) as library:
        return library.table()
