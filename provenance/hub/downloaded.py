"""A repository that huggingface_hub downloaded before: nothing is missing, and messages call it by its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fingerprints.readers.mount import Span


@dataclass(slots=True, kw_only=True)
class Downloaded:
    """See `fingerprints.readers.mount`; compared by identity of what it names."""

    root: Path
    name: str
    revision: str

    def fill(self, path: Path, spans: Sequence[Span], *, exact: bool) -> None:
        """Nothing: the files are there in full."""
