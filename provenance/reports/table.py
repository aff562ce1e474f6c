"""The tensors of a result as a table: one row a pair, in CSV or, with the extra `table`, in Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from fingerprints.errors import UsageError
from provenance.parquet import pyarrow
from provenance.result import Result, to_json
from provenance.tensor_entry import TensorEntry

SUFFIXES = (".csv", ".parquet")
COLUMNS = tuple(field.name for field in fields(TensorEntry))
_WHOLE = ("elements", "nonfinite_a", "nonfinite_b")
_TEXT = ("a", "b", "dtype_a", "dtype_b")
_LISTS = ("shape", "max_at")


def check_table(path: Path) -> None:
    """Find out before the work whether such a table can be written.

    Raises
    ------
    UsageError
        When the suffix is unknown, or what writes Parquet is not installed.
    """
    if path.suffix not in SUFFIXES:
        raise UsageError(
            f"--table {str(path)!r} has a suffix of no known table", hint="end the name in .csv or .parquet"
        )
    if path.suffix == ".parquet":
        pyarrow()


def encode_table(result: Result, suffix: str) -> bytes:
    """The table as a file of the kind that `suffix` names.

    Lists (`shape`, `max_at`) are written as `4096x11008` in CSV and are lists in Parquet; what is not known is empty.

    Raises
    ------
    UsageError
        When what writes Parquet is not installed.
    """
    rows: Sequence[Mapping[str, Any]] = [to_json(entry) for entry in result.tensors]
    return _parquet(rows) if suffix == ".parquet" else _csv(rows)


def _csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_cell(row[name]) for name in COLUMNS] for row in rows)
    return text.getvalue().encode("utf-8", errors="backslashreplace")


def _cell(value: Any) -> Any:
    return "x".join(map(str, value)) if isinstance(value, list) else value


def _parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    arrow, parquet = pyarrow()
    kinds = dict.fromkeys(COLUMNS, arrow.float64())
    kinds |= dict.fromkeys(_WHOLE, arrow.int64())
    kinds |= dict.fromkeys(_TEXT, arrow.string()) | dict.fromkeys(_LISTS, arrow.list_(arrow.int64()))
    columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in COLUMNS}
    for name in _TEXT:
        columns[name] = [value.encode("utf-8", errors="backslashreplace").decode() for value in columns[name]]
    table = arrow.table({name: arrow.array(columns[name], type=kinds[name]) for name in COLUMNS})
    file = io.BytesIO()
    parquet.write_table(table, file)
    return file.getvalue()
