from __future__ import annotations

import csv
import io
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fingerprints.errors import UsageError
from provenance.reports.table import COLUMNS, check_table, encode_table
from provenance.result import Result
from provenance.tensor_entry import TensorEntry
from tests.results import HOSTILE, derived

ENTRY = TensorEntry(
    a="model.embed.weight",
    b='=1+2,"quoted"\n',
    shape=(4, 6),
    dtype_a="BF16",
    dtype_b="F32",
    elements=24,
    cosine=0.123456789,
    relative_change=None,
    max_abs_change=0.5,
    max_at=(3, 5),
    equal_share=0.25,
    sign_flips=0.0,
    zeros_a=0.0,
    zeros_b=0.0,
    zeros_both=0.0,
    bit_distance=None,
    nonfinite_a=0,
    nonfinite_b=2,
)


@pytest.fixture
def result() -> Result:
    return replace(derived(), tensors=(ENTRY, replace(ENTRY, a=HOSTILE, shape=(), max_at=None)))


def test_csv_can_be_read_back(result: Result) -> None:
    first, second = csv.DictReader(io.StringIO(encode_table(result, ".csv").decode(), newline=""))
    assert tuple(first) == COLUMNS
    assert (first["a"], first["b"]) == (ENTRY.a, ENTRY.b)
    assert (first["shape"], first["max_at"], first["cosine"]) == ("4x6", "3x5", "0.123457")
    assert (first["relative_change"], first["bit_distance"], first["nonfinite_b"]) == ("", "", "2")
    assert second["shape"] == second["max_at"] == ""


def test_parquet_can_be_read_back(result: Result) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = parquet.read_table(pyarrow.BufferReader(encode_table(result, ".parquet")))
    assert tuple(table.column_names) == COLUMNS
    first, second = table.to_pylist()
    assert first == {
        **{name: getattr(ENTRY, name) for name in COLUMNS},
        "shape": [4, 6],
        "max_at": [3, 5],
        "cosine": 0.123457,
    }
    assert second["max_at"] is None
    assert encode_table(replace(result, tensors=()), ".parquet")[:4] == b"PAR1"


def test_a_table_of_no_known_kind_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no known table"):
        check_table(Path("rows.xlsx"))


def test_parquet_without_its_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError) as caught:
        check_table(Path("rows.parquet"))
    assert "[table]" in caught.value.hint
    check_table(Path("rows.csv"))
