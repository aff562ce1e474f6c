"""The values in the metadata of a GGUF file: kept where they are short, stepped over where they are not."""

from __future__ import annotations

import struct
from typing import Final

import numpy as np

from fingerprints.errors import CorruptCheckpoint
from fingerprints.readers.gguf_cursor import HINT, Cursor
from fingerprints.readers.quoting import quoted

Scalar = int | float | bool | str
Value = Scalar | tuple[Scalar, ...]

MAX_TEXT: Final = 1 << 16
"""Bytes of the longest string that is kept."""
MAX_LIST: Final = 1024
"""Numbers of the longest list that is kept: one for every layer of a model."""
MAX_NAMES: Final = 32
"""Strings of the longest list that is kept: tags and languages, but no vocabulary."""

_NUMBERS: Final = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    4: struct.Struct("<I"),
    5: struct.Struct("<i"),
    6: struct.Struct("<f"),
    7: struct.Struct("<?"),
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
"""How numbers are stored, by the format's number of their type."""
_FLOAT32: Final = 6
_STRING: Final = 8
_ARRAY: Final = 9


def read_value(cursor: Cursor, key: str) -> Value:
    """Read the value of a key: its type, then the value itself. What is not kept is described in a few words.

    Raises
    ------
    CorruptCheckpoint
        When its type is not known, its length does not fit the file, or it is a list of lists.
    """
    what = f"the value of {quoted(key)}"
    kind = cursor.number(4, what)
    if kind == _STRING:
        return _text(cursor, what)
    if kind != _ARRAY:
        return _numbers(cursor, kind, 1, what)[0]
    inner, count = cursor.number(4, what), cursor.number(8, what)
    if inner == _ARRAY:
        raise _refused(cursor, f"{what} is a list of {count} lists, which no model has")
    if inner == _STRING:
        cursor.require(8 * count, what)
        if count <= MAX_NAMES:
            return tuple(_text(cursor, what) for _ in range(count))
        cursor.skip_strings(count, what)
        return f"({count} strings)"
    if count <= MAX_LIST:
        return _numbers(cursor, inner, count, what)
    cursor.skip(count * _layout(cursor, inner, what).size, what)
    return f"({count} numbers)"


def shown(value: Value) -> str:
    """Return a value as text."""
    return ", ".join(str(item) for item in value) if isinstance(value, tuple) else str(value)


def _text(cursor: Cursor, what: str) -> str:
    begin = cursor.at
    raw = cursor.text(MAX_TEXT, what)
    return f"({cursor.at - begin - 8} bytes)" if raw is None else raw.decode("utf-8", "replace")


def _numbers(cursor: Cursor, kind: int, count: int, what: str) -> tuple[Scalar, ...]:
    layout = _layout(cursor, kind, what)
    found = [value for (value,) in layout.iter_unpack(cursor.take(count * layout.size, what))] if count else []
    if kind == _FLOAT32:
        return tuple(float(str(np.float32(value))) for value in found)
    return tuple(found)


def _layout(cursor: Cursor, kind: int, what: str) -> struct.Struct:
    layout = _NUMBERS.get(kind)
    if layout is None:
        raise _refused(cursor, f"{what} has the type {kind}, and types go from 0 to 12")
    return layout


def _refused(cursor: Cursor, message: str) -> CorruptCheckpoint:
    path = cursor.source.path
    return CorruptCheckpoint(f"{message} ({quoted(str(path))})", path=path, hint=HINT, offset=cursor.at)
