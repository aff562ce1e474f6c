"""Another provenance tool, as its users run it, and what it says about two checkpoints."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from bench.peers.environment import Environment, environment
from bench.peers.process import run
from bench.zoo import cache

Said = Literal["related", "unrelated", "abstained", "failed", "not run"]

OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
LINE = {"COLUMNS": "1000"}
"""Wide enough that no message is broken into lines."""
TRUTH = "truth.json"
"""What the zoo records of a derivative; no part of the checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a peer says about a pair.

    `score` is its own figure for "related", in [0, 1], None where it gives none; `detail` is its verdict in its own
    words, or what went wrong; `seconds` is the wall time of the process.
    """

    said: Said
    score: float | None = None
    detail: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A provenance tool that installs from PyPI.

    `requirement` is the tool, pinned, and `dependencies` are the packages, pinned, that decide its numbers; `python` is
    the oldest Python that it runs on. `command` gives the command line for the parent's and the derivative's folder;
    `read` reads what that prints, and raises ValueError, LookupError or TypeError where it makes no sense. `needed` are
    files that the peer does not run without: a checkpoint that lacks one is given it. `limit` is in seconds.
    """

    name: str
    version: str
    requirement: str
    python: tuple[int, int]
    command: Callable[[str, str], Sequence[str]]
    read: Callable[[str], Answer]
    dependencies: tuple[str, ...] = ()
    needed: tuple[Path, ...] = ()
    limit: float = 120.0

    def environment(self) -> Environment:
        """The peer's virtual environment, made where it is not there yet."""
        folder = cache.root() / "peers" / self.name
        return environment(folder, (self.requirement, *self.dependencies), self.python)

    def compare(self, a: Path, b: Path) -> Answer:
        """Ask whether the checkpoint in folder `b` comes from the one in `a`; a failure is an answer too.

        The peer runs offline, in a home of its own that is thrown away, on copies whose names give nothing away.
        """
        place = self.environment()
        if place.missing:
            return Answer(said="not run", detail=place.missing)
        with TemporaryDirectory() as scratch:
            home = Path(scratch)
            self._copy(a, home / "a")
            self._copy(b, home / "b")
            script, *arguments = self.command("a", "b")
            extra = {**OFFLINE, **LINE, "HOME": scratch, "USERPROFILE": scratch}
            ended = run((place.scripts / script, *arguments), limit=self.limit, folder=home, extra=extra)
        if ended.trouble:
            return Answer(said="failed", detail=ended.trouble, seconds=ended.seconds)
        try:
            return replace(self.read(ended.output), seconds=ended.seconds)
        except (ValueError, LookupError, TypeError) as error:
            return Answer(said="failed", detail=f"unreadable answer: {error!r}", seconds=ended.seconds)

    def _copy(self, checkpoint: Path, target: Path) -> None:
        shutil.copytree(checkpoint, target, ignore=shutil.ignore_patterns(TRUTH))
        for file in self.needed:
            if not (target / file.name).exists():
                shutil.copyfile(file, target / file.name)
