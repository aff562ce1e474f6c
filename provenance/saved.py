"""A result that was saved as a file, and the very bytes that it was read from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fingerprints.errors import UsageError
from provenance.reports.json import read_result
from provenance.result import Result

_HINT = "give the file that `-o NAME.json` wrote"
MOST_BYTES = 2**30
"""The result of reading every value of a model with 100,000 tensors takes a tenth of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedResult:
    """`source` is what the file holds; digests of a saved result are digests of it."""

    result: Result
    source: bytes


def open_saved(path: str | Path) -> SavedResult:
    """Read the result of a comparison that this version or an earlier one wrote.

    Raises
    ------
    UsageError
        When the file is too large, or not the JSON of a comparison.
    OSError
        When it cannot be read.
    """
    source = _read(path)
    return SavedResult(result=read_result(_decoded(path, source)), source=source)


def read_text(path: str | Path) -> str:
    """The text of a file that this program may have written.

    Raises
    ------
    UsageError
        When the file is too large, or no UTF-8.
    OSError
        When it cannot be read.
    """
    return _decoded(path, _read(path))


def _read(path: str | Path) -> bytes:
    with Path(path).open("rb") as file:
        source = file.read(MOST_BYTES + 1)
    if len(source) > MOST_BYTES:
        raise UsageError(f"{path} has more than {MOST_BYTES} bytes", hint=_HINT)
    return source


def _decoded(path: str | Path, source: bytes) -> str:
    try:
        return source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no text: byte {error.start} is no UTF-8", hint=_HINT) from error
