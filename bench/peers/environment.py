"""The virtual environment of a peer: made on first use with pinned packages, then kept.

What it holds is stamped last, so that an environment whose making was interrupted, or that other versions were pinned
for, is made anew.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path

from bench.peers.process import run

STAMP = "requirements.txt"
SCRIPTS = "Scripts" if os.name == "nt" else "bin"
NEWEST_PYTHON = 14
"""Minor version of the newest Python 3 that is looked for."""
INSTALLATION_LIMIT, VERSION_LIMIT = 1800.0, 20.0
"""Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """The folder of a peer's commands; `missing` says why there is none, empty where there is one."""

    scripts: Path
    missing: str = ""


@once
def environment(folder: Path, requirements: tuple[str, ...], oldest: tuple[int, int]) -> Environment:
    """The environment in `folder` with the pinned `requirements`, for a Python that is no older than `oldest`.

    Tried once in a process. Not for two processes at a time: the second would clear what the first installs.
    """
    scripts, stamp = folder / SCRIPTS, folder / STAMP
    wanted = "".join(f"{requirement}\n" for requirement in requirements)
    if stamp.exists() and stamp.read_text() == wanted:
        return Environment(scripts=scripts)
    python = interpreter(oldest)
    if python is None:
        return Environment(scripts=scripts, missing=f"needs Python {_dotted(oldest)}, which is not here")
    commands: tuple[tuple[str | Path, ...], ...] = (
        (python, "-m", "venv", "--clear", folder),
        (scripts / "python", "-m", "pip", "install", *requirements),
    )
    for command in commands:
        if trouble := run(command, limit=INSTALLATION_LIMIT).trouble:
            return Environment(scripts=scripts, missing=f"could not be installed: {trouble}")
    stamp.write_text(wanted)
    return Environment(scripts=scripts)


def interpreter(oldest: tuple[int, int]) -> str | None:
    """The running Python where it is new enough, else the newest on the path that is; None where there is none."""
    if sys.version_info >= oldest:
        return sys.executable
    major, minor = oldest
    names = [f"python{major}.{number}" for number in range(NEWEST_PYTHON, minor - 1, -1)]
    return next((found for name in names if (found := shutil.which(name)) and _runs(found)), None)


def _runs(python: str) -> bool:
    """Version managers leave commands on the path for versions that are switched off."""
    return not run((python, "--version"), limit=VERSION_LIMIT).trouble


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
