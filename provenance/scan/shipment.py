"""A library where the workers of a cluster have it: unpacked by each of them, since they may not see the original."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fingerprints.errors import UsageError

_PLACES: Final[dict[str, Path]] = {}
"""Where this process has unpacked libraries, by their stamp."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """A library by its stamp."""

    stamp: str

    @property
    def place(self) -> Path:
        """Where it lies in this process.

        Raises
        ------
        UsageError
            When it never got here.
        """
        try:
            return _PLACES[self.stamp]
        except KeyError:
            raise UsageError(
                "this worker has no library", hint="start the scan again: it sends the library to all workers"
            ) from None


def keep(stamp: str, place: Path) -> None:
    """Remember where a library lies."""
    _PLACES[stamp] = place
