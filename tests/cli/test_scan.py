"""The commands for many models, on real ones."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from cli.main import run
from provenance.scan.ledger import Ledger
from provenance.scan.row import Row, State
from tests.small_models import write_child, write_model


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scan")
    base = write_model(folder / "library" / "acme" / "base", seed=1)
    write_model(folder / "library" / "other", seed=2)
    write_child(folder / "models" / "child", base, seed=3)
    write_model(folder / "models" / "stranger", seed=4)
    (folder / "models" / "empty").mkdir()
    return folder


def scanned(place: Path, results: Path, *words: str) -> int:
    where = ["--library", str(place / "library"), "--results", str(results)]
    return run(["scan", str(place / "models"), *where, "--workers", "threads", *words])


def test_a_scan_and_its_results(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "r.db"
    assert scanned(place, results, "--format", "jsonl") == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {
        Path(row["target"]).name: (row["state"], row["relation"], row["base"], row["error"]) for row in printed
    } == {
        "child": ("done", "derived", "acme/base", None),
        "empty": ("error", None, None, "unsupported"),
        "stranger": ("done", "independent", None, None),
    }
    assert run(["results", str(results), "--format", "csv", "--where", "relation=derived"]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row["base"] == "acme/base"
    where = ["--where", "state=done", "--format", "parquet", "-o", str(tmp_path / "rows.parquet")]
    assert run(["results", str(results), *where]) == 0
    assert (tmp_path / "rows.parquet").read_bytes()[:4] == b"PAR1"
    assert capsys.readouterr().out == ""
    assert run(["results", str(results)]) == 0
    assert "3 targets: 1 derived, 1 error (unsupported), 1 independent" in capsys.readouterr().out
    assert run(["tree", str(results)]) == 0
    assert "acme/base\n└─-> " in capsys.readouterr().out


def test_what_an_index_brought_nothing_up_for_has_no_relative(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Ledger(tmp_path / "r.db", write=True) as ledger:
        ledger.add(["a", "b"])
        ledger.finish(Row(target="a", state=State.DONE))
    assert run(["results", str(tmp_path / "r.db")]) == 0
    assert "2 targets: 1 no relative, 1 pending" in capsys.readouterr().out


def test_a_policy_that_is_broken_is_exit_code_1(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "strict.toml").write_text('[claims]\nrequired = ["confirmed", "none"]\n')
    (tmp_path / "lax.toml").write_text('[errors]\nallowed = ["unsupported"]\n')
    assert scanned(place, tmp_path / "r.db", "--quiet", "--policy", str(tmp_path / "lax.toml")) == 0
    assert capsys.readouterr().out == ""
    assert scanned(place, tmp_path / "r.db", "--policy", str(tmp_path / "strict.toml")) == 1
    out = capsys.readouterr().out
    assert "claims.required" in out
    assert "errors.allowed" in out
    assert run(["results", str(tmp_path / "r.db"), "--format", "jsonl", "--policy", str(tmp_path / "strict.toml")]) == 1
    found = capsys.readouterr()
    assert len([json.loads(line) for line in found.out.splitlines()]) == 3
    assert "2 targets break it" in found.err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["scan", "x", "--library", "none", "--results", "r.db"], "no library"),
        (["scan", "x", "--library", "none", "--results", "r.db", "--retry", "bad"], "no category"),
        (["scan", "x", "--library", "none", "--results", "r.db", "--jobs", "0"], "too small"),
        (["scan", "x", "--library", "none", "--results", "r.db", "--policy", "none"], "cannot read the policy"),
        (["scan", "@none", "--library", ".", "--results", "r.db"], "cannot read the list"),
        (["scan", "", "--library", "none", "--results", "r.db"], "an empty word"),
        (["scan", "@/dev/zero", "--library", "none", "--results", "r.db"], "names no target"),
        (["results", "none.db"], "no results"),
        (["results", "none.db", "--where", "x=y"], "names no field"),
        (["results", "none.db", "--format", "parquet"], "no text"),
        (["results", "none.db", "-o", "x"], "for the screen"),
        (["scan", "x", "--library", "none", "--results", "r.db", "--format", "parquet"], "no text"),
        (["scan", "x", "--library", "none", "--results", "r.db", "--cluster", "x"], "is no cluster"),
        (["scan", "x", "--library", "none", "--results", "r.db", "--max-requests", "0"], "too small"),
        (["scan", "--library", "none", "--results", "r.db"], "nothing to scan"),
        (["tree", "none.db"], "cannot read"),
        (["matrix", "none"], "0 of 1 models"),
    ],
)
def test_mistakes_are_refused(
    words: list[str],
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert reason in error
    assert "\nhint: " in error


@pytest.mark.slow
def test_a_matrix_and_its_tree(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = [str(place / "models" / "child"), str(place / "models" / "stranger"), str(place / "library")]
    assert run(["matrix", *models, "-o", str(tmp_path / "m.json")]) == 0
    assert "4 models, 6 pairs, 5 of them independent" in capsys.readouterr().out
    found = json.loads((tmp_path / "m.json").read_text())
    (edge,) = found["edges"]
    assert {Path(edge["a"]).name, Path(edge["b"]).name} == {"base", "child"}
    assert run(["tree", str(tmp_path / "m.json"), "--format", "dot"]) == 0
    assert capsys.readouterr().out.startswith("digraph lineage {")
