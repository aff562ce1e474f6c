"""Rows as Parquet: the columns of the CSV, with types; lists are lists, and what is not known is null."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from provenance.parquet import pyarrow
from provenance.scan.encoding import row_to_json
from provenance.scan.formats import COLUMNS
from provenance.scan.row import Row

GROUP: Final = 10_000
"""Rows that are held in memory at once."""
_WHOLE: Final = ("bytes_read", "requests", "attempts")
_REAL: Final = ("log10_p", "effect", "seconds")
_LISTS: Final = ("kinds", "declared", "duties")


def as_parquet(rows: Iterable[Row]) -> bytes:
    """A file with one row a target.

    Raises
    ------
    UsageError
        When what writes Parquet is not installed.
    """
    arrow, parquet = pyarrow()
    kinds = dict.fromkeys(COLUMNS, arrow.string()) | {"licence_agrees": arrow.bool_()}
    kinds |= dict.fromkeys(_WHOLE, arrow.int64()) | dict.fromkeys(_REAL, arrow.float64())
    kinds |= dict.fromkeys(_LISTS, arrow.list_(arrow.string()))
    schema = arrow.schema(list(kinds.items()))
    file = io.BytesIO()
    with parquet.ParquetWriter(file, schema) as writer:
        for group in _groups(rows):
            plain = [{name: _written(value) for name, value in row_to_json(row).items()} for row in group]
            writer.write_table(arrow.Table.from_pylist(plain, schema=schema))
    return file.getvalue()


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    waiting = iter(rows)
    while group := list(islice(waiting, GROUP)):
        yield group


def _written(value: Any) -> Any:
    """Names of files may hold bytes that are no text, and Parquet's strings may not."""
    if isinstance(value, list):
        return [_written(each) for each in value]
    return value.encode("utf-8", errors="backslashreplace").decode() if isinstance(value, str) else value
