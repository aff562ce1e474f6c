"""Rows as JSON, in the results file and in reports."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints

from fingerprints.errors import UsageError
from provenance.result import to_json
from provenance.scan.row import Row

LARGEST: Final = 1 << 63
"""Counts are below it, as SQLite's and Parquet's are."""
_TYPES: Final = get_type_hints(Row)


def encode_row(row: Row) -> str:
    """One line of JSON."""
    return json.dumps(row_to_json(row), ensure_ascii=True)


def row_to_json(row: Row) -> dict[str, Any]:
    """Plain data, the fields in their order."""
    plain: dict[str, Any] = to_json(row)
    return plain


def decode_row(text: str, attempts: int, path: Path) -> Row:
    """The row that `encode_row` wrote.

    Raises
    ------
    UsageError
        When `text` is none: the file was written by something else.
    """
    try:
        plain = json.loads(text)
        if not isinstance(plain, dict) or plain.keys() != _TYPES.keys():
            raise ValueError("it has other fields")
        return Row(**{name: _typed(name, plain[name], _TYPES[name]) for name in _TYPES} | {"attempts": attempts})
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} has a row that is no result: {error}", hint="name another file, or use the program that made it"
        ) from error


def _typed(name: str, value: Any, kind: Any) -> Any:
    """A value of a field as the type that it has in a row."""
    kinds = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    if value is None and NoneType in kinds:
        return None
    (kind,) = (each for each in kinds if each is not NoneType)
    if get_origin(kind) is tuple:
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return tuple(value)
    elif issubclass(kind, StrEnum):
        return kind(value)
    elif kind is int:
        if type(value) is int and abs(value) < LARGEST:
            return value
    elif type(value) is kind or (kind is float and type(value) is int and abs(value) < LARGEST):
        return kind(value)
    raise ValueError(f"{name} is {value!a:.80}")
