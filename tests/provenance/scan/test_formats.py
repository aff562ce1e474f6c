"""Rows as other programs read them."""

from __future__ import annotations

import csv
import io
import json

import pytest

from provenance.scan.formats import COLUMNS, as_csv, as_jsonl, matching
from provenance.scan.parquet import as_parquet
from provenance.scan.row import Row, State
from tests.provenance.scan.test_ledger import FULL

ROWS = [FULL, Row(target='=HYPERLINK("x")\nnew, line', state=State.DONE, relation="independent")]


def test_csv_reads_back() -> None:
    text = as_csv(ROWS)
    text.encode("utf-8")
    first, second = csv.DictReader(io.StringIO(text))
    assert tuple(first) == COLUMNS
    assert (first["kinds"], first["log10_p"], first["licence_agrees"]) == ("fine_tune;renamed", "-12.5", "false")
    assert (second["target"], second["base"]) == ("'" + ROWS[1].target.replace("\n", "\\n"), "")


def test_json_lines_read_back() -> None:
    lines = as_jsonl(ROWS).splitlines()
    assert [json.loads(line)["target"] for line in lines] == [row.target for row in ROWS]
    assert json.loads(lines[0])["error"] == "rate-limited"


def test_parquet_reads_back() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(io.BytesIO(as_parquet(ROWS)))
    assert tuple(table.column_names) == COLUMNS
    first, second = table.to_pylist()
    assert (first["kinds"], first["log10_p"], first["licence_agrees"]) == (["fine_tune", "renamed"], -12.5, False)
    assert first["bytes_read"] == 2**40
    assert first["target"] == FULL.target.encode(errors="backslashreplace").decode()
    assert (second["target"], second["base"], second["kinds"]) == (ROWS[1].target, None, [])
    assert parquet.read_table(io.BytesIO(as_parquet([]))).num_rows == 0


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        ({}, True),
        ({"error": "rate*"}, True),
        ({"kinds": "renamed"}, True),
        ({"kinds": "merged"}, False),
        ({"licence_agrees": "false"}, True),
        ({"revision": ""}, False),
        ({"error": "rate*", "base": "x"}, False),
    ],
)
def test_rows_are_chosen_by_their_fields(conditions: dict[str, str], found: bool) -> None:
    assert matching(FULL, conditions) is found
