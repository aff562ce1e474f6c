"""How long the name of a tensor may be: what it is a name of is told in time that grows with its length squared."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from fingerprints.errors import LimitExceeded
from fingerprints.readers.quoting import quoted

MAX_NAME: Final = 512
"""Characters; real names have up to about 200."""


def cut(prefix: str) -> str:
    """Return what names begin with, so much of it that they are too long if it is: many names may share a prefix."""
    return prefix[: MAX_NAME + 1]


def require_short(names: Iterable[str], path: Path) -> None:
    """Raise LimitExceeded, about the file or folder `path`, if one of the names is longer than that."""
    longest = max(names, key=len, default="")
    if len(longest) > MAX_NAME:
        raise LimitExceeded(
            f"the tensor {quoted(longest)} of {quoted(str(path))} has a name of {len(longest)} characters, more than"
            f" {MAX_NAME}",
            path=path,
            hint="no model has such names; the file is damaged, or was made to take long to read",
            limit=MAX_NAME,
            actual=len(longest),
        )
