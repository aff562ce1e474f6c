"""The pipelines in the documents, carried out; and every command line in them, as far as its options go."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from cli.main import PROGRAM, app
from tests.documents.consoles import ROOT
from tests.documents.test_links import documents

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def recipes() -> list[dict[str, Any]]:
    text = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    return [yaml.safe_load(body) for language, body in _FENCE.findall(text) if language == "yaml"]


def shell(script: str, folder: Path, **variables: str) -> int:
    """The exit code of a script of bash, run as pipelines run it, with `provenance` on its path."""
    program = folder / "bin" / PROGRAM
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cli.main "$@"\n')
    program.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        **variables,
    }
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script], cwd=folder, env=environment, check=False, timeout=120
    )
    return done.returncode


@pytest.mark.slow
@pytest.mark.parametrize(("model", "code"), [("tuned", 0), ("stranger", 1), ("base", 1), ("nowhere", 2)])
def test_recipes_fail_on_what_is_not_wanted_and_leave_documents(tmp_path: Path, model: str, code: int) -> None:
    github, gitlab = recipes()
    job = github["jobs"]["declared-base"]
    scripts = {step["name"]: step["run"] for step in job["steps"] if "name" in step}
    place = {"BASE": str(ROOT / "examples" / "base"), "MODEL": str(ROOT / "examples" / model)}
    (tmp_path / "github").mkdir()
    wanted = {**job["env"], **place}
    assert shell(scripts["compare"], tmp_path / "github", **wanted) == code
    assert (tmp_path / "github" / "result.json").exists() == (code != 2)
    if code != 2:
        assert shell(scripts["documents"], tmp_path / "github", **wanted) == 0
        written = {path.name for path in (tmp_path / "github").iterdir()}
        assert {"report.html", "result.sarif", "summary.md"} <= written
    (tmp_path / "gitlab").mkdir()
    job = gitlab["declared-base"]
    wanted = {**job["variables"], **place}
    assert shell("\n".join(job["script"]), tmp_path / "gitlab", **wanted) == code
    assert shell("\n".join(job["after_script"]), tmp_path / "gitlab", **wanted) == 0
    assert (tmp_path / "gitlab" / "report.html").exists() == (code != 2)


def command_lines() -> list[tuple[str, str]]:
    """Every line of a fence that calls the program, up to its remark, by document."""
    found = []
    for path in documents():
        for _, body in _FENCE.findall(path.read_text(encoding="utf-8")):
            for line in body.replace("\\\n", " ").splitlines():
                call = re.match(r"^(?:\$ |\s*- (?:run: )?|\s+run: |\s+)?provenance (?=[a-z-])(.*)$", line)
                if call:
                    words = re.split(r"\s+#|\s{3,}|\s\|\s|\s>>?\s|\s\|\|", call[1])[0]
                    found.append((str(path.relative_to(ROOT)), words))
    return found


@pytest.mark.parametrize(("path", "line"), command_lines())
def test_every_command_in_a_document_exists_with_its_options(path: str, line: str) -> None:
    command: Any = typer.main.get_command(app)
    words = shlex.split(line)
    while hasattr(command, "commands"):
        assert words[0] in command.commands, f"{path}: {line}"
        command = command.commands[words.pop(0)]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    used = {word.partition("=")[0] for word in words if word.startswith("-") and word != "-"}
    assert used <= known, f"{path}: {line}"


def test_the_documents_show_every_command() -> None:
    command: Any = typer.main.get_command(app)
    shown = {line.split()[0] for _, line in command_lines()}
    assert set(command.commands) <= shown
