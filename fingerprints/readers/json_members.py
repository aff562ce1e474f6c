"""Where the members of a JSON object lie in its text, so that only those that are wanted need to be parsed.

The half a million merges of a large tokenizer would fill gigabytes of lists that nobody looks at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fingerprints.errors import CorruptCheckpoint, LimitExceeded
from fingerprints.readers.quoting import quoted

MAX_BRACKETS: Final = 8_000_000
"""Brackets that are stepped over in one object."""

_STRING: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_KEY: Final = re.compile(rb"\s*+(" + _STRING + rb")\s*+:\s*+", re.DOTALL)
_SCALAR: Final = re.compile(rb'(?:[^"\[\]{},\s]++|' + _STRING + rb")", re.DOTALL)
_FLAT: Final = re.compile(rb'[^"\[\]{}]*+(?:' + _STRING + rb'[^"\[\]{}]*+)*+', re.DOTALL)
_COMMA: Final = re.compile(rb"\s*+([,}])")
_OPENING: Final = re.compile(rb"\s*+\{(\s*+\})?")


def members(data: bytes, *, path: Path, hint: str, start: int = 0) -> Mapping[bytes, slice]:
    """Where the values of the object that begins at `start` lie, by key as it is written.

    Of the values, only quotes and brackets are looked at. Of equal keys the last counts.

    Raises
    ------
    CorruptCheckpoint
        When no object begins there, or it does not end.
    LimitExceeded
        When there are more than `MAX_BRACKETS` brackets.
    """
    found: dict[bytes, slice] = {}
    opening = _OPENING.match(data, start)
    at, mark = (opening.end(), b"}" if opening[1] else b",") if opening else (start, b"")
    brackets = 0
    while mark == b",":
        key = _KEY.match(data, at)
        if key is None:
            break
        begin = at = key.end()
        depth = 0
        while at < len(data) and (depth or at == begin):
            if data[at] in b"[{":
                depth += 1
            elif data[at] in b"]}":
                depth -= 1
            else:
                scalar = _SCALAR.match(data, at)
                at = scalar.end() if scalar else len(data)
                break
            brackets += 1
            if brackets > MAX_BRACKETS:
                raise LimitExceeded(
                    f"{quoted(str(path))} has more than {MAX_BRACKETS} lists and objects",
                    path=path,
                    hint=hint,
                    limit=MAX_BRACKETS,
                    actual=brackets,
                )
            at += 1
            if depth and (flat := _FLAT.match(data, at)):
                at = flat.end()
        found[key[1][1:-1]] = slice(begin, at)
        comma = _COMMA.match(data, at)
        if comma is None:
            break
        at, mark = comma.end(), comma[1]
    if mark == b"}":
        return found
    raise CorruptCheckpoint(
        f"{quoted(str(path))} is not usable JSON: the object at byte {start} is damaged at byte {at} of {len(data)}",
        path=path,
        hint=hint,
        offset=at,
    )
