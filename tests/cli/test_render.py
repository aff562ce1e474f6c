from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from cli.main import run
from provenance.reports.json import encode, read_result
from tests.results import RESULTS, SAVED, derived, independent


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "result.json"
    path.write_text(encode(derived()))
    return path


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("json", "{"),
        ("html", "<!doctype html>"),
        ("markdown", "## "),
        ("sarif", "{"),
        ("in-toto@1", "{"),
        ("text", "╭"),
    ],
)
def test_a_saved_result_is_printed_as_any_document(saved: Path, capsys, name: str, start: str) -> None:
    assert run(["render", str(saved), "--format", name]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(start)
    assert err == ""


def test_what_compare_printed_is_what_render_prints(compare_gives, saved: Path, capsys) -> None:
    compare_gives(read_result(saved.read_text()))
    for name in ("text", "json", "html", "markdown", "sarif"):
        assert run(["compare", "a", "b", "--format", name]) == 0
        compared = capsys.readouterr().out
        assert run(["render", str(saved), "--format", name]) == 0
        assert capsys.readouterr().out == compared


@pytest.mark.parametrize("suffix", [".html", ".md", ".sarif", ".intoto.json", ".json", ".txt"])
def test_compare_and_render_write_files_by_their_names(compare_gives, saved: Path, tmp_path: Path, suffix: str) -> None:
    compare_gives(read_result(saved.read_text()))
    assert run(["compare", "a", "b", "-q", "-o", str(tmp_path / f"c{suffix}")]) == 0
    assert run(["render", str(saved), "-o", str(tmp_path / f"r{suffix}")]) == 0
    assert (tmp_path / f"c{suffix}").read_text() == (tmp_path / f"r{suffix}").read_text()


def test_a_statement_is_about_the_file_that_was_given(tmp_path: Path) -> None:
    old = SAVED[0]
    assert run(["render", str(old), "-o", str(tmp_path / "s.intoto.json")]) == 0
    statement = json.loads((tmp_path / "s.intoto.json").read_text())
    assert statement["predicate"]["result"]["digest"]["sha256"] == hashlib.sha256(old.read_bytes()).hexdigest()


def test_pages_and_markdown_come_in_chinese(saved: Path, tmp_path: Path, capsys) -> None:
    assert run(["render", str(saved), "--lang", "zh", "-o", str(tmp_path / "r.html")]) == 0
    assert '<html lang="zh">' in (tmp_path / "r.html").read_text(encoding="utf-8")
    capsys.readouterr()
    assert run(["render", str(saved), "--lang", "zh", "--format", "markdown"]) == 0
    assert "B 的权重派生自 A" in capsys.readouterr().out


@pytest.mark.parametrize(("relation", "code", "kind"), [("derived", 1, "fail"), ("identical", 0, "pass")])
def test_a_policy_is_reported_and_decides_the_exit_code(
    saved: Path, capsys, relation: str, code: int, kind: str
) -> None:
    assert run(["render", str(saved), "--format", "sarif", "--fail-on", relation]) == code
    assert json.loads(capsys.readouterr().out)["runs"][0]["results"][0]["kind"] == kind


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b'{"schema_version": 9}', b'{"schema_version": 1}', b"\xff\xfe", b"\x00" * 64]
)
@pytest.mark.parametrize("command", ["render", "verify"])
def test_what_is_no_result_ends_with_2_an_error_and_a_hint(
    tmp_path: Path, capsys, command: str, content: bytes
) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(content)
    assert run([command, str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split(":")[0] for line in err.splitlines()] == ["error", "hint"]


@pytest.mark.parametrize(
    "words", ["render", "render nowhere.json", "render {} --format pdf", "render {} -o x.pdf", "verify {} a", "verify"]
)
def test_mistakes_end_with_2(saved: Path, capsys, words: str) -> None:
    assert run(words.format(saved).split()) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_verify_runs_again_with_the_recorded_options(compare_gives, saved: Path, capsys) -> None:
    calls = compare_gives(read_result(saved.read_text()))
    assert run(["verify", str(saved), "-q"]) == 0
    assert capsys.readouterr().out.startswith("reproduced equal=")
    assert run(["verify", str(saved), "elsewhere/a", "elsewhere/b"]) == 0
    assert capsys.readouterr().out.startswith("Reproduced\n")
    assert [call[:2] for call in calls] == [("examples/base", "examples/tuned"), ("elsewhere/a", "elsewhere/b")]
    assert calls[0][2].rows == 256


def test_verify_says_what_differs_and_ends_with_1(compare_gives, saved: Path, capsys) -> None:
    compare_gives(independent())
    assert run(["verify", str(saved)]) == 1
    out = capsys.readouterr().out
    assert out.startswith("NOT reproduced\n")
    assert "verdict  relation" in out
    assert run(["verify", str(saved), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert not document["reproduced"]
    different = [line for line in document["lines"] if line["agreement"] == "different"]
    assert ["derived", "independent"] in [[line["saved"], line["now"]] for line in different]


@pytest.mark.parametrize("name", sorted(RESULTS))
def test_verify_shows_no_text_from_a_file_raw(compare_gives, tmp_path: Path, capsys, name: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(encode(RESULTS[name]()))
    compare_gives(RESULTS["derived"]())
    run(["verify", str(path), "-v"])
    assert not set("\x1b\x07\u202e\u200b\ud800") & set(capsys.readouterr().out)
