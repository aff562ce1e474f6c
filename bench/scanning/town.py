"""A Hub with hundreds of small repositories, some of them broken, in a process of its own."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.zoo.cache import REPOSITORY
from provenance.fingerprinting import fingerprint
from provenance.library import Library
from provenance.library.adding import add_path
from tests.provenance.hub.server import Asked, Handler, LocalHub, serving
from tests.small_models import write_child, write_model

BASES = 6
MODELS = 30
"""Different models; every one stands behind several names."""
GATED, ANGRY = "gated", "angry"
"""Parts of names: repositories that are refused, and whose server fails now and then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """Folders of models by repository, a library of their bases, and what is true of each repository.

    `truth` holds the name of the base, "" for strangers, and the category of the error after "!" for broken ones.
    """

    folder: Path
    repositories: Mapping[str, Path]
    truth: Mapping[str, str]

    @property
    def library(self) -> Path:
        """Fingerprints of the bases."""
        return self.folder / "library"


LARGE: Final = {"layers": 6, "hidden": 256, "mlp": 640, "heads": 4, "kv_heads": 2, "vocabulary": 2000}
"""Models of 20 MB, too large to be fetched whole: they are read by ranges, as those of billions of parameters are."""


def build(folder: Path, count: int, *, faults: float = 0.0, models: int = MODELS, large: bool = False) -> Town:
    """Write the models, the library, and a list of `count` repositories, of which a share is broken."""
    sizes = LARGE if large else {}
    repositories: dict[str, Path] = {}
    truth: dict[str, str] = {}
    bases = [write_model(folder / f"base-{each}", seed=each, **sizes) for each in range(BASES)]
    with Library(folder / "library", create=True) as library:
        for base in bases:
            file = folder / "base.safetensors"
            file.write_bytes(fingerprint(base)[0])
            add_path(library, file, name=base.name)
    written = [
        (write_child(folder / f"child-{each}", bases[each % BASES], seed=100 + each), bases[each % BASES].name)
        if each % 5
        else (write_model(folder / f"stranger-{each}", seed=100 + each, **sizes), "")
        for each in range(models)
    ]
    broken = _broken(folder, written[1][0])
    for number in range(count):
        before, after = int(number * faults), int((number + 1) * faults)
        if after > before:
            kind = sorted(broken)[before % len(broken)]
            name = f"org-{number % 7}/{kind}-{number}"
            repositories[name], truth[name] = broken[kind]
        else:
            place, base = written[number % models]
            name = f"org-{number % 7}/{ANGRY if number % 10 == 4 else 'm'}-{number}"
            repositories[name], truth[name] = place, base
    return Town(folder=folder, repositories=repositories, truth=truth)


def _broken(folder: Path, good: Path) -> dict[str, tuple[Path, str]]:
    """What may be wrong with a repository, and the category that a scan has to give it."""
    weights = (good / "model.safetensors").read_bytes()
    contents = {
        "truncated": (weights[: len(weights) // 2], "!corrupt"),
        "hostile": ((2**62).to_bytes(8, "little") + b"{" * 64, "!corrupt"),
        "foreign": (b"GIF89a" * 100, "!corrupt"),
    }
    made = {}
    for kind, (content, category) in contents.items():
        (folder / kind).mkdir()
        (folder / kind / "model.safetensors").write_bytes(content)
        made[kind] = folder / kind, category
    (folder / "card").mkdir()
    (folder / "card" / "README.md").write_text("# No weights yet\n")
    made["card"] = folder / "card", "!unsupported"
    made[GATED] = good, "!gated"
    made["absent"] = Path(), "!missing"
    return made


class _Slow:
    """Every request takes its time; every fifth of an angry repository is refused once, as overloaded Hubs do."""

    def __init__(self, latency: float) -> None:
        self._latency, self._count = latency, 0

    def __call__(self, handler: Handler, path: Path, asked: Asked) -> bool:
        time.sleep(self._latency)
        if f"/{ANGRY}-" in asked.path:
            self._count += 1
            if self._count % 5 == 0:
                handler.answer(503 if self._count % 2 else 429, b"", Retry_After="0")
                return True
        return False


@contextmanager
def open_town(town: Town, latency: float = 0.0) -> Iterator[tuple[str, Path]]:
    """Serve a town from another process; yields its address, and the file that will say what was asked."""
    record = town.folder / "town.json"
    record.write_text(
        json.dumps({name: str(path) for name, path in town.repositories.items() if path != Path()}), "utf-8"
    )
    log = town.folder / "asked.json"
    command = [sys.executable, "-m", "bench.scanning.town", str(record), str(log), str(latency)]
    # Readers that are killed leave broken connections, of which the server would tell.
    with subprocess.Popen(
        command,
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), log
        finally:
            process.stdin.close()
            process.wait()


def main() -> None:
    """Serve until standard input ends; then write how many requests there were."""
    parser = argparse.ArgumentParser()
    parser.add_argument("record", type=Path)
    parser.add_argument("log", type=Path)
    parser.add_argument("latency", type=float)
    given = parser.parse_args()
    repositories = {name: Path(path) for name, path in json.loads(given.record.read_text("utf-8")).items()}
    slow = _Slow(given.latency)
    gated = {name for name in repositories if f"/{GATED}-" in name}
    with serving(LocalHub(repositories=repositories, gated=gated, faults=[slow], api_faults=[slow])) as hub:
        print(hub.url, flush=True)
        sys.stdin.read()
        given.log.write_text(json.dumps({"requests": len(hub.asked)}))


if __name__ == "__main__":
    main()
