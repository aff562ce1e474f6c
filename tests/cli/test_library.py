from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.main import run

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    folder = tmp_path / "library"
    assert run(["library", "add", str(EXAMPLES / "base"), "--library", str(folder), "--family", "toy", "-q"]) == 0
    capsys.readouterr()
    return folder


def test_a_fingerprint_is_written_and_stands_for_its_checkpoint(tmp_path: Path, capsys) -> None:
    target = tmp_path / "base.safetensors"
    assert run(["fingerprint", str(EXAMPLES / "base"), "-o", str(target), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["nbytes"] == target.stat().st_size
    assert told["whole"] is True
    assert run(["compare", str(target), str(EXAMPLES / "tuned"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"]["relation"] == "derived"
    small = tmp_path / "small.safetensors"
    assert run(["fingerprint", str(EXAMPLES / "base"), "-o", str(small), "--scan-grade", "--json"]) == 0
    assert "layers=3" in json.loads(capsys.readouterr().out)["method"]
    assert run(["compare", str(small), str(target), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"]["relation"] == "identical"
    assert run(["fingerprint", str(EXAMPLES / "base"), "-o", str(tmp_path / "base.bin")]) == 2
    assert "-o base.safetensors" in capsys.readouterr().err


def test_identify_prints_the_schema_that_scripts_read(folder: Path, capsys) -> None:
    assert run(["identify", str(EXAMPLES / "tuned"), "--library", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema_version"] == 1
    (candidate,) = found["candidates"]
    assert candidate.keys() >= {"name", "relation", "kinds", "log10_p", "effect"}
    assert (candidate["name"], candidate["relation"], found["closest"]) == ("base", "derived", ["base"])
    assert [kind["kind"] for kind in candidate["kinds"]] == ["fine_tune", "renamed"]
    assert found["model"]["reference"] == str(EXAMPLES / "tuned")
    assert run(["identify", str(EXAMPLES / "stranger"), "--library", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["candidates"] == []


def test_reports_are_text_and_files(folder: Path, tmp_path: Path, capsys) -> None:
    target = tmp_path / "found.txt"
    assert run(["identify", str(EXAMPLES / "tuned"), "--library", str(folder), "-o", str(target)]) == 0
    assert "base (closest)" in capsys.readouterr().out
    assert "base (closest)" in target.read_text("utf-8")


def test_a_library_is_listed_shown_carried_verified_and_emptied(folder: Path, tmp_path: Path, capsys) -> None:
    other = tmp_path / "other"
    assert run(["library", "export", str(tmp_path / "all.zip"), "--library", str(folder)]) == 0
    assert run(["library", "import", str(tmp_path / "all.zip"), "--library", str(other)]) == 0
    capsys.readouterr()
    assert run(["library", "list", "--library", str(other), "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)["entries"]
    assert (entry["names"], entry["family"]) == (["base"], "toy")
    assert run(["library", "show", "base", "--library", str(other)]) == 0
    assert entry["content"] in capsys.readouterr().out
    assert run(["library", "verify", "--library", str(other), "-q"]) == 0
    assert capsys.readouterr().out == "1 entries, nothing wrong, nothing left over\n"
    (file,) = (other / "fingerprints").rglob("*.safetensors")
    file.unlink()
    assert run(["library", "verify", "--library", str(other)]) == 2
    assert run(["library", "remove", "base", "--library", str(other)]) == 0
    assert run(["library", "show", "base", "--library", str(other)]) == 2
    assert "provenance library list" in capsys.readouterr().err


def test_build_says_what_is_not_at_hand(tmp_path: Path, capsys) -> None:
    assert run(["library", "build", "--library", str(tmp_path / "new"), "--models", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["added"] == []
    assert len(found["missing"]) >= 120


def test_without_a_library_the_hint_says_how_to_begin_one(tmp_path: Path, capsys) -> None:
    assert run(["library", "list", "--library", str(tmp_path)]) == 2
    assert "provenance library add" in capsys.readouterr().err
