"""A command as a user runs it, in a process of its own that is measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.zoo.cache import REPOSITORY


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """One run. `result` is its JSON, None where it ended without one; `said` is what it wrote to standard error.

    `seconds` and `processor` are wall and processor time, start of the interpreter included; `peak` (memory) and `read`
    (by read calls, None where the system does not count them) are bytes.
    """

    status: int
    result: dict[str, Any] | None
    said: str
    seconds: float
    processor: float
    peak: int
    read: int | None


def compared(a: Path, b: Path, *options: str) -> Done:
    """Run the command line on two checkpoints."""
    return asked("compare", str(a), str(b), "--json", *options)


def asked(*arguments: str) -> Done:
    """Run a command of ours that prints JSON."""
    return measured([sys.executable, "-m", "cli.main", *arguments])


def measured(command: Sequence[str], extra: Mapping[str, str] | None = None) -> Done:
    """Run any command that prints JSON, with `extra` in its environment and nothing that is meant for this Python.

    Raises
    ------
    subprocess.CalledProcessError
        When it could not be started.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch) / "result.json"
        done = subprocess.run(
            [sys.executable, "-m", "bench.child", "--output", str(output), *command],
            cwd=REPOSITORY,
            env={**inherited, **(extra or {})},
            capture_output=True,
            text=True,
            check=True,
        )
        written = output.read_text()
    return Done(**json.loads(done.stdout), result=json.loads(written) if written else None, said=done.stderr)
