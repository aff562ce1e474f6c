"""Completion, asked for as shells ask."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cli.completion import formats
from cli.main import run
from provenance.reports.formats import ENCODERS
from provenance.result import Result

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """`provenance` as a program that a shell can start."""
    path = tmp_path / "provenance"
    path.write_text(f'#!/bin/sh\ncd "{ROOT}" && exec "{sys.executable}" -m cli.main "$@"\n')
    path.chmod(0o755)
    return path


def bash_offers(program: Path, *words: str) -> list[str]:
    """What bash has for the last of these words, after it has read the script."""
    typed = " ".join(f"'{word}'" for word in ("provenance", *words))
    script = (
        f'eval "$("{program}" completion bash)"; COMP_WORDS=({typed}); COMP_CWORD={len(words)};'
        f' _provenance_completion "{program}"; printf "%s\\n" "${{COMPREPLY[@]}}"; complete -p provenance'
    )
    done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    *offered, registered = done.stdout.splitlines()
    assert registered == "complete -o default -F _provenance_completion provenance"
    return [word for word in offered if word]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["com"], ["compare", "completion"]),
        (["library", "ver"], ["verify"]),
        (["compare", "a", "b", "--evi"], ["--evidence"]),
        (["compare", "a", "b", "--lang", ""], ["en", "zh"]),
        (["compare", "a", "b", "--device", "cu"], ["cuda"]),
        (["compare", "a", "b", "--fail-on", "in"], ["independent", "inconclusive"]),
        (["compare", "a", "b", "--fail-on", "derived,id"], ["derived,identical"]),
        (["render", "r.json", "--format", "c"], ["cyclonedx"]),
        (["compare", "exam"], []),
    ],
)
def test_bash_completes(program: Path, words: list[str], offered: list[str]) -> None:
    assert bash_offers(program, *words) == offered


@pytest.mark.parametrize(("shell", "mark"), [("zsh", "compdef"), ("fish", "complete --command provenance")])
def test_other_shells_get_a_script(capsys, shell: str, mark: str) -> None:
    assert run(["completion", shell]) == 0
    out = capsys.readouterr().out
    assert mark in out
    assert "_PROVENANCE_COMPLETE" in out


def test_a_shell_that_is_not_known_is_refused(capsys) -> None:
    assert run(["completion", "tcsh"]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_formats_that_are_offered_are_those_that_there_are() -> None:
    assert set(formats("")) == {"text", *(each.format for each in ENCODERS if each.document is Result)}


def test_what_is_typed_is_never_carried_out(program: Path, tmp_path: Path) -> None:
    bash_offers(program, "compare", f"$(touch {tmp_path}/x)", f"`touch {tmp_path}/x`", "--fail-on", "")
    assert not (tmp_path / "x").exists()
