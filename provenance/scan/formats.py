"""Rows as CSV and as JSON lines: the same columns, in the same order."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from fnmatch import fnmatchcase
from typing import Any, Final

from provenance.escaping import visible
from provenance.scan.encoding import encode_row, row_to_json
from provenance.scan.row import Row

COLUMNS: Final = tuple(field.name for field in fields(Row))
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What spreadsheets take a cell for a formula by."""


def as_jsonl(rows: Iterable[Row]) -> str:
    """One JSON object a line."""
    return "".join(f"{encode_row(row)}\n" for row in rows)


def as_csv(rows: Iterable[Row]) -> str:
    """A header and one line a row; lists are joined by semicolons, what is not known is empty.

    What would control a terminal or a reader's eye is spelled out, and text that a spreadsheet would take for a formula
    gets a quote in front: names come from strangers.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_cell(value) for value in row_to_json(row).values()])
    return buffer.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        value = ";".join(map(str, value))
    if isinstance(value, str):
        value = visible(value, limit=10 * len(value))
        return f"'{value}" if value.startswith(FORMULA) else value
    return json.dumps(value)


def matching(row: Row, conditions: Mapping[str, str]) -> bool:
    """Whether each field in `conditions` fits its pattern, in the spelling of the CSV; of a list, one item must."""
    plain = row_to_json(row)
    for name, pattern in conditions.items():
        values = plain[name] if isinstance(plain[name], list) else [plain[name]]
        spelled = ["" if value is None else value if isinstance(value, str) else json.dumps(value) for value in values]
        if not any(fnmatchcase(value, pattern) for value in spelled or [""]):
            return False
    return True
