"""A command run to its end, or to its time limit."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A command that ended: what it printed, and `trouble`, one line, empty where the command succeeded."""

    output: str = ""
    trouble: str = ""
    seconds: float = 0.0


def run(
    command: Sequence[str | Path], *, limit: float, folder: Path | None = None, extra: Mapping[str, str] | None = None
) -> Ended:
    """Run `command` for at most `limit` seconds in `folder`; a failure is part of the answer, never raised.

    The command gets this process's environment and `extra`, without what would make another Python import from here or
    a program colour what it prints.
    """
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON") and name != "FORCE_COLOR"
    }
    start = time.perf_counter()
    output, trouble = "", ""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=folder,
            env={**inherited, **(extra or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        trouble = f"not done after {limit:g} s"
    except OSError as error:
        trouble = str(error)
    else:
        output = done.stdout
        if done.returncode:
            trouble = _last_line(done.stderr) or _last_line(done.stdout) or f"exit status {done.returncode}"
    return Ended(output=output, trouble=trouble, seconds=time.perf_counter() - start)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""
