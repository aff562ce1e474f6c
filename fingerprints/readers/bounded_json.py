"""JSON from files that nobody vouches for: valid, without duplicate keys, and small enough to hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from fingerprints.errors import CorruptCheckpoint, LimitExceeded
from fingerprints.readers.quoting import quoted

MAX_TOKENS = 3_000_000
"""Strings, brackets and commas that a document may have; each costs up to 150 bytes once parsed."""
MAX_WIDE = 1 << 25
"""Bytes of a document that is not all ASCII, and takes up to four times as many once decoded."""


class _RefusedError(ValueError):
    """A document that `json` would accept."""


def parse_object(
    data: bytes, *, path: Path, what: str, hint: str, offset: int = 0, constants: bool = False
) -> dict[str, Any]:
    """Return the JSON object that `data` holds.

    Parameters
    ----------
    data : bytes
        UTF-8 text.
    path, what, hint, offset
        For the error: the file, what the text is called (`the header`), what to do, where in the file it begins.
    constants : bool
        Accept `NaN` and `Infinity`, which configurations do hold.

    Raises
    ------
    CorruptCheckpoint
        When it is not valid JSON, not an object, or names a key twice.
    LimitExceeded
        When it has more than `MAX_TOKENS` tokens, or more than `MAX_WIDE` bytes that are not all ASCII.
    """
    tokens = sum(data.count(mark) for mark in (b"{", b"[", b",")) + data.count(b'"') // 2
    if tokens > MAX_TOKENS:
        raise LimitExceeded(
            f"{what} of {quoted(str(path))} has {tokens} JSON tokens, more than {MAX_TOKENS}",
            path=path,
            hint=hint,
            limit=MAX_TOKENS,
            actual=tokens,
        )
    if len(data) > MAX_WIDE and not data.isascii():
        raise LimitExceeded(
            f"{what} of {quoted(str(path))} is text of {len(data)} bytes that is not all ASCII, more than {MAX_WIDE}",
            path=path,
            hint=hint,
            limit=MAX_WIDE,
            actual=len(data),
        )
    accept = float if constants else _refuse
    try:
        document = json.loads(data.decode("utf-8"), object_pairs_hook=_without_duplicates, parse_constant=accept)
    except UnicodeDecodeError as error:
        reason, offset = f"byte {error.start} of {len(data)} is not UTF-8", offset + error.start
    except json.JSONDecodeError as error:
        reason, offset = f"{error.msg} at character {error.pos} of {len(data)}", offset + error.pos
    except RecursionError:
        reason = f"its {len(data)} bytes are nested too deeply"
    except ValueError as error:
        reason = str(error)[:300]
    else:
        if isinstance(document, dict):
            return document
        reason = f"its {len(data)} bytes hold a {type(document).__name__}, not an object"
    raise CorruptCheckpoint(
        f"{what} of {quoted(str(path))} is not usable JSON: {reason}", path=path, hint=hint, offset=offset
    )


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _RefusedError(f"the key {quoted(key)} occurs more than once among {len(pairs)}")
            seen.add(key)
    return document


def _refuse(constant: str) -> NoReturn:
    raise _RefusedError(f"{constant} is not a JSON number")
