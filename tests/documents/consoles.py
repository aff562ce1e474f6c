"""Sessions in documents: what they say a command prints, and what it prints.

A fence that opens with ```` ```python NAME.py ```` is a file; one that opens with ```` ```console ```` holds commands
(`$ …`) with their output, of which a line `…` leaves out the rest. `python -m tests.documents.consoles` carries all of
them out and writes down what was printed.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ("README.md", "docs/library.md", "docs/tutorials/yi.md", "docs/tutorials/disguise.md")
MORE = "\N{HORIZONTAL ELLIPSIS}"
_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
_COST = re.compile(r"^read .* in [\d.]+ s, provenance .*$|^  versions: saved by .*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command of a session and the lines that stand below it."""

    command: str
    printed: tuple[str, ...]


def steps(body: str) -> list[Step]:
    """The commands of one fence."""
    found: list[Step] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            found.append(Step(command=line[2:], printed=()))
        else:
            found[-1] = Step(command=found[-1].command, printed=(*found[-1].printed, line))
    return found


def carry_out(command: str, folder: Path) -> list[str]:
    """What a command prints on standard output in `folder`, its exit code last where that is not 0."""
    words = shlex.split(command)
    program = {"provenance": [sys.executable, "-m", "cli.main"], "python": [sys.executable]}[words[0]]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", "COLUMNS": "100"}
    done = subprocess.run(
        [*program, *words[1:]], cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode in (0, 1), f"{command}: {done.stderr}"
    return done.stdout.splitlines()


def played(text: str, folder: Path) -> Iterator[tuple[Step, list[str]]]:
    """Each step of a document in order, with what it prints now; its files are written before."""
    shutil.copytree(ROOT / "examples", folder / "examples")
    for fence in _FENCE.finditer(text):
        language, _, name = fence["info"].partition(" ")
        if language == "python" and name:
            (folder / name).write_text(fence["body"], encoding="utf-8")
        if language == "console":
            for step in steps(fence["body"]):
                yield step, carry_out(step.command, folder)


def agrees(written: str, printed: str) -> bool:
    """Whether two lines say the same: equal words, numbers that other libraries may leave, whatever the columns."""
    if written == printed or (_COST.match(written) and _COST.match(printed)):
        return True
    words = [[" ".join(part.split()) for part in _NUMBER.split(line)] for line in (written, printed)]
    figures = [[float(number.replace(",", "")) for number in _NUMBER.findall(line)] for line in (written, printed)]
    return words[0] == words[1] and all(
        abs(one - other) <= max(0.3, 0.1 * abs(one)) for one, other in zip(*figures, strict=True)
    )


def _rewritten(text: str, folder: Path) -> str:
    now = iter(list(played(text, folder)))

    def replace(fence: re.Match[str]) -> str:
        if fence["info"] != "console":
            return fence[0]
        lines = ["```console"]
        for step in steps(fence["body"]):
            _, printed = next(now)
            cut = step.printed.index(MORE) if MORE in step.printed else None
            lines += [f"$ {step.command}", *(printed if cut is None else [*printed[:cut], MORE])]
        return "\n".join([*lines, "```"])

    return _FENCE.sub(replace, text)


if __name__ == "__main__":
    for name in DOCUMENTS:
        with tempfile.TemporaryDirectory() as folder:
            text = (ROOT / name).read_text(encoding="utf-8")
            (ROOT / name).write_text(_rewritten(text, Path(folder)), encoding="utf-8")
