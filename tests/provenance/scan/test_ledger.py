"""The results file."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path

import pytest

from fingerprints.errors import UsageError
from provenance.jobs.category import Category
from provenance.scan.claim import Claimed
from provenance.scan.derivative_class import DerivativeClass
from provenance.scan.encoding import row_to_json
from provenance.scan.ledger import Ledger
from provenance.scan.row import Row, State
from tests.results import HOSTILE

FULL = Row(
    target=HOSTILE,
    revision="0" * 40,
    state=State.ERROR,
    relation="derived",
    base="acme/first",
    kinds=("fine_tune", "renamed"),
    claim=Claimed.CONFIRMED,
    log10_p=-12.5,
    bytes_read=2**40,
    error=Category.RATE_LIMITED,
    direction="undirected",
    effect=0.5,
    declared=(HOSTILE, "b"),
    licence="mit",
    base_licence="gemma",
    licence_agrees=False,
    duties=("one", "two"),
    derivative_class=DerivativeClass.COMBINED,
    seconds=1.25,
    attempts=0,
    message=HOSTILE,
    requests=7,
    stamp="s",
)


def test_a_row_comes_back_as_it_was(tmp_path: Path) -> None:
    empty = Row(target="")
    assert [field.name for field in fields(Row) if getattr(FULL, field.name) == getattr(empty, field.name)] == [
        "attempts"
    ]
    with Ledger(tmp_path / "r.db", write=True) as ledger:
        ledger.add([FULL.target, "other"])
        ledger.finish(FULL)
        ledger.started("other")
    with Ledger(tmp_path / "r.db") as ledger:
        assert list(ledger.rows()) == [FULL, Row(target="other", attempts=1)]
        assert ledger.pending() == ["other"]
        assert ledger.failed({Category.RATE_LIMITED}) == [HOSTILE]


def test_a_target_is_on_the_list_once(tmp_path: Path) -> None:
    with Ledger(tmp_path / "r.db", write=True) as ledger:
        ledger.add(["b", "a"])
        ledger.finish(replace(Row(target="a"), state=State.DONE))
        ledger.add(["a", "c"])
        assert [(row.target, row.state) for row in ledger.rows()] == [
            ("b", State.PENDING),
            ("a", State.DONE),
            ("c", State.PENDING),
        ]
        assert ledger.counts() == {"done": 1, "pending": 2}


def test_there_is_one_writer_and_readers_look_on(tmp_path: Path) -> None:
    with Ledger(tmp_path / "r.db", write=True) as writer:
        with pytest.raises(UsageError, match="another scan"):
            Ledger(tmp_path / "r.db", write=True)
        with Ledger(tmp_path / "r.db") as reader:
            writer.add(["a"])
            assert reader.pending() == ["a"]
    with Ledger(tmp_path / "r.db", write=True) as writer:
        assert writer.pending() == ["a"]


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    text, other, newer = tmp_path / "text", tmp_path / "other.db", tmp_path / "newer.db"
    text.write_bytes(b"no database at all" * 100)
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE mine (x)")
    with Ledger(newer, write=True):
        pass
    with sqlite3.connect(newer) as database:
        database.execute("PRAGMA user_version = 2")
    for path, reason in ((text, "cannot be used"), (other, "no results"), (newer, "version 2")):
        before = path.read_bytes()
        for write in (False, True):
            with pytest.raises(UsageError, match=reason):
                Ledger(path, write=write)
        assert path.read_bytes() == before
    with pytest.raises(UsageError, match="there are no results"):
        Ledger(tmp_path / "none.db")


def test_a_row_that_something_else_wrote_is_an_error(tmp_path: Path) -> None:
    with Ledger(tmp_path / "r.db", write=True) as ledger:
        ledger.add(["a"])
    with sqlite3.connect(tmp_path / "r.db") as database:
        database.execute("UPDATE targets SET document = '[1]'")
    with Ledger(tmp_path / "r.db") as ledger, pytest.raises(UsageError, match="no result"):
        list(ledger.rows())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("log10_p", "x"),
        ("bytes_read", None),
        ("bytes_read", 10**400),
        ("requests", 1.5),
        ("kinds", 5),
        ("kinds", [1]),
        ("target", ["a"]),
        ("state", "lost"),
        ("licence_agrees", 1),
        ("another", 1),
    ],
)
def test_a_field_of_another_type_is_an_error(tmp_path: Path, name: str, value: object) -> None:
    with Ledger(tmp_path / "r.db", write=True) as ledger:
        ledger.add(["a"])
    plain = row_to_json(Row(target="a")) | {name: value}
    with closing(sqlite3.connect(tmp_path / "r.db")) as database, database:
        database.execute("UPDATE targets SET document = ?", (json.dumps(plain),))
    with Ledger(tmp_path / "r.db") as ledger, pytest.raises(UsageError, match="no result"):
        list(ledger.rows())


def test_a_target_that_something_else_wrote_is_an_error(tmp_path: Path) -> None:
    with Ledger(tmp_path / "r.db", write=True) as ledger:
        ledger.add(["a"])
    with closing(sqlite3.connect(tmp_path / "r.db")) as database, database:
        database.execute("UPDATE targets SET target = 'a'")
    with Ledger(tmp_path / "r.db") as ledger, pytest.raises(UsageError, match="a target that is none"):
        ledger.pending()


def test_results_are_read_where_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Ledger(tmp_path / "r#1?.db", write=True) as ledger:
        ledger.add(["a"])
    # A user for whom permissions hold sees the folder so; the superuser would not.
    monkeypatch.setattr("os.access", lambda *_: False)
    before = sorted(path.name for path in tmp_path.iterdir())
    with Ledger(tmp_path / "r#1?.db") as ledger:
        assert [row.target for row in ledger.rows()] == ["a"]
        assert sorted(path.name for path in tmp_path.iterdir()) == before
