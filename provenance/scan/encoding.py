"""Rows as JSON, in the results file and in reports."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from fingerprints.errors import UsageError
from provenance.jobs.category import Category
from provenance.result import to_json
from provenance.scan.claim import Claimed
from provenance.scan.derivative_class import DerivativeClass
from provenance.scan.row import Row, State

_ENUMS = {"state": State, "claim": Claimed, "error": Category, "derivative_class": DerivativeClass}
_LISTS = ("kinds", "declared", "duties")


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
        plain |= {name: kind(plain[name]) for name, kind in _ENUMS.items() if plain[name] is not None}
        plain |= {name: tuple(map(str, plain[name])) for name in _LISTS}
        return replace(Row(**plain), attempts=attempts)
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{path} has a row that is no result: {error}", hint="name another file") from error
