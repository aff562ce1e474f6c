from __future__ import annotations

import importlib.metadata
import json
import platform
from pathlib import Path

import pytest

from cli.main import run
from fingerprints.errors import CorruptCheckpoint
from provenance.options import Options, Sided
from provenance.result import SCHEMA_VERSION, Relation, to_json
from tests.inspections import inspection
from tests.results import RESULTS, derived, hostile


@pytest.mark.parametrize("name", sorted(RESULTS))
def test_a_completed_comparison_ends_with_0_whatever_it_found(compare_gives, capsys, name: str) -> None:
    compare_gives(RESULTS[name]())
    assert run(["compare", "a", "b"]) == 0
    out, err = capsys.readouterr()
    assert f"({RESULTS[name]().verdict.relation})" in out
    assert err == ""


@pytest.mark.parametrize(
    ("condition", "code"),
    [("derived", 1), ("identical,derived", 1), ("identical", 0), ("independent,inconclusive,common_origin", 0)],
)
def test_only_fail_on_turns_a_verdict_into_a_failure(compare_gives, capsys, condition: str, code: int) -> None:
    compare_gives(derived())
    assert run(["compare", "a", "b", "--fail-on", condition]) == code
    assert "(derived)" in capsys.readouterr().out


@pytest.mark.parametrize("relation", list(Relation))
def test_every_relation_can_be_failed_on(compare_gives, relation: Relation) -> None:
    compare_gives(derived())
    assert run(["compare", "a", "b", "-q", "--fail-on", relation.value]) == (relation is Relation.DERIVED)


@pytest.mark.parametrize("name", sorted(RESULTS))
def test_json_on_standard_output_is_the_result_and_nothing_else(compare_gives, capsys, name: str) -> None:
    compare_gives(RESULTS[name]())
    assert run(["compare", "a", "b", "--json"]) == 0
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out)["verdict"] == json.loads(json.dumps(to_json(RESULTS[name]().verdict)))


def test_quiet_is_one_line_of_three_fields(compare_gives, capsys) -> None:
    compare_gives(derived())
    assert run(["compare", "a", "b", "-q"]) == 0
    assert capsys.readouterr().out == "derived log10_p=-312.4 kinds=fine_tune,renamed\n"


def test_a_table_is_written_beside_the_report(compare_gives, capsys, tmp_path: Path) -> None:
    compare_gives(derived())
    assert run(["compare", "a", "b", "-q", "--full", "--table", str(tmp_path / "rows.csv")]) == 0
    assert (tmp_path / "rows.csv").read_text().startswith("a,b,shape,")
    assert capsys.readouterr().out.startswith("derived ")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--table", "rows.csv"], "--table needs every value"),
        (["--spectrum"], "--spectrum needs every value"),
        (["--full", "--table", "rows.txt"], "suffix of no known table"),
        (["--full", "--table", "nowhere/rows.csv"], "its folder does not exist"),
    ],
)
def test_a_table_that_cannot_be_is_refused_before_the_work(compare_gives, capsys, words, complaint: str) -> None:
    calls = compare_gives(derived())
    assert run(["compare", "a", "b", *words]) == 2
    err = capsys.readouterr().err
    assert complaint in err
    assert "hint: " in err
    assert calls == []


def test_options_reach_the_comparison(compare_gives) -> None:
    calls = compare_gives(derived())
    words = (
        "compare a b -q --rows 8 --layers 1 --full --spectrum --alpha 1e-3 --sample-seed 7 --time-limit 2.5 --threads 3"
    )
    words += " --subtree a=tower. --variant ema --map x=y --map z= --device auto"
    assert run(words.split()) == 0
    assert calls == [
        (
            "a",
            "b",
            Options(
                rows=8,
                layers=1,
                full=True,
                spectrum=True,
                alpha=1e-3,
                sample_seed=7,
                time_limit=2.5,
                threads=3,
                subtree=Sided(a="tower."),
                variant=Sided(a="ema", b="ema"),
                renames={"x": "y", "z": ""},
                device="auto",
            ),
        )
    ]


def test_the_defaults_of_the_command_line_are_those_of_the_library(compare_gives) -> None:
    calls = compare_gives(derived())
    assert run(["compare", "a", "b", "-q"]) == 0
    assert calls[0][2] == Options()


@pytest.mark.parametrize(
    "words",
    [
        "",
        "compere a b",
        "compare a",
        "compare a b c",
        "compare a b --rows 7",
        "compare a b --rows many",
        "compare a b --layers 0",
        "compare a b --alpha 0",
        "compare a b --alpha 1.5",
        "compare a b --time-limit 0",
        "compare a b --threads 0",
        "compare a b --sample-seed -1",
        "compare a b --device tpu",
        "compare a b --fail-on copied",
        "compare a b --map nothing",
        "compare a b --variant x --variant y",
        "compare a b -q -v",
        "compare a b -o result.xlsx",
        "compare a b --format pdf",
        "compare a b --format html@9",
        "compare a b --json --format html",
        "compare a b --lang tlh",
        "compare a b -o missing/result.json",
        "compare a b --row 9",
        "inspect",
        "inspect a --subtree x",
    ],
)
def test_a_mistake_on_the_command_line_ends_with_2_an_error_and_a_hint(compare_gives, capsys, words: str) -> None:
    calls = compare_gives(derived())
    assert run(words.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["error", "hint"]
    assert all(len(line) > 12 for line in lines)
    assert calls == []


def test_an_audit_error_is_shown_as_error_and_hint_and_escaped(compare_gives, capsys) -> None:
    compare_gives(
        CorruptCheckpoint("tensor '\x1b[2J' ends early", path=Path("x"), hint="download \u202eit again", offset=8)
    )
    assert run(["compare", "a", "b"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "error: tensor '\\x1b[2J' ends early\nhint: download \\u202eit again\n"


@pytest.mark.parametrize(
    ("error", "word"),
    [(MemoryError(), "out of memory"), (PermissionError(13, "Permission denied", "w.bin"), "Permission denied: w.bin")],
)
def test_what_the_system_refuses_is_no_internal_error(compare_gives, capsys, error: Exception, word: str) -> None:
    compare_gives(error)
    assert run(["compare", "a", "b"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {word}\nhint: ")
    assert "internal" not in err


def test_a_defect_is_owned_up_to_without_a_traceback(compare_gives, capsys) -> None:
    compare_gives(ZeroDivisionError("division \x1b[31mby zero"))
    assert run(["compare", "a", "b"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: internal error (ZeroDivisionError: division \\x1b[31mby zero)\nhint: ")
    assert "PROVENANCE_DEBUG=1" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("how", ["-v", "--verbose", "variable"])
def test_a_traceback_is_there_for_those_who_ask(compare_gives, capsys, monkeypatch, how: str) -> None:
    compare_gives(ZeroDivisionError("division \x1b[31mby zero"))
    if how == "variable":
        monkeypatch.setenv("PROVENANCE_DEBUG", "1")
    assert run(["compare", "a", "b", *([how] if how != "variable" else [])]) == 2
    err = capsys.readouterr().err
    assert "Traceback (most recent call last):\n" in err
    assert "\x1b" not in err
    assert "error: internal error" in err


def test_ctrl_c_ends_with_130_and_one_word(compare_gives, capsys) -> None:
    compare_gives(KeyboardInterrupt())
    assert run(["compare", "a", "b"]) == 130
    assert capsys.readouterr() == ("", "interrupted\n")


@pytest.mark.parametrize("suffix", [".json", ".txt"])
def test_output_goes_to_the_file_as_well(compare_gives, capsys, tmp_path: Path, suffix: str) -> None:
    compare_gives(hostile())
    target = tmp_path / f"result{suffix}"
    target.write_text("old")
    assert run(["compare", "a", "b", "-o", str(target)]) == 0
    printed = capsys.readouterr().out
    written = target.read_text(encoding="utf-8")
    assert printed.startswith("╭")
    assert "\x1b" not in written
    if suffix == ".txt":
        assert written == printed
    else:
        assert json.loads(written)["schema_version"] == 1
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_a_failed_comparison_leaves_the_old_file(compare_gives, tmp_path: Path) -> None:
    compare_gives(ZeroDivisionError())
    target = tmp_path / "result.json"
    target.write_text("old")
    assert run(["compare", "a", "b", "-o", str(target)]) == 2
    assert target.read_text() == "old"


@pytest.mark.parametrize(
    ("words", "lines"),
    [(["-q"], 1), (["-q", "--json"], 0), (["--json"], None)],
)
def test_quiet_with_a_file_keeps_the_result_off_standard_output(
    compare_gives, capsys, tmp_path: Path, words: list[str], lines: int | None
) -> None:
    compare_gives(derived())
    target = tmp_path / "result.json"
    assert run(["compare", "a", "b", "-o", str(target), *words]) == 0
    out = capsys.readouterr().out
    assert json.loads(target.read_text())["verdict"]["relation"] == "derived"
    if lines is None:
        assert out == target.read_text()
    else:
        assert len(out.splitlines()) == lines


@pytest.mark.usefixtures("inspect_gives")
def test_inspect_prints_text_or_json_and_writes_files(capsys, tmp_path: Path) -> None:
    target = tmp_path / "model.json"
    assert run(["inspect", "m", "-v", "-o", str(target)]) == 0
    assert "model.layers.{i}.mlp.gate_proj.weight" in capsys.readouterr().out
    assert run(["inspect", "m", "--json"]) == 0
    out = capsys.readouterr().out
    assert out == target.read_text()
    assert json.loads(out)["bytes_total"] == inspection().bytes_total


def test_version_names_the_program_and_what_computes(capsys) -> None:
    assert run(["--version"]) == 0
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    versions = dict(lines)
    assert next(iter(versions)) == "provenance"
    assert versions["python"] == platform.python_version()
    for library in ("numpy", "scipy", "torch", "safetensors", "gguf", "ml_dtypes", "huggingface_hub"):
        assert versions[library] == importlib.metadata.version(library)
    assert versions["result-schema"] == str(SCHEMA_VERSION)


def test_version_says_which_extras_are_missing(monkeypatch, capsys) -> None:
    monkeypatch.setattr("provenance.version.EXTRAS", {"fast": "no-such-library"})
    monkeypatch.setattr("cli.version.EXTRAS", {"fast": "no-such-library"})
    assert run(["--version"]) == 0
    assert "no-such-library not installed (extra: fast)\n" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--help"], ["compare", "--help"], ["inspect", "--help"]])
def test_help_is_plain_text_on_standard_output(capsys, words: list[str]) -> None:
    assert run(words) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Usage: provenance")
    assert out.isascii()
    assert err == ""


def test_the_terminal_width_of_a_report_in_a_pipe_is_100(compare_gives, capsys) -> None:
    compare_gives(hostile())
    run(["compare", "a", "b", "-v"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 100
