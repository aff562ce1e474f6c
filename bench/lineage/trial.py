"""One pair compared by the command line, and what is kept of the answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache as once
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.command import compared
from bench.lineage.pairs import Pair
from bench.zoo import cache
from bench.zoo.cache import REPOSITORY
from bench.zoo.derive import RECORD, digests, folder

INTERNAL = "internal error"
"""Said of a defect of the auditor, which is no answer."""
REFUSED = "refused"
"""Said of a checkpoint that ends the comparison with an error and a hint."""
OPTIONS = ("--threads", "1")
PACKAGES = ("fingerprints", "provenance", "cli")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What the auditor said about one pair, and what it cost.

    `relation` is the verdict's, or `REFUSED`; `kinds` holds operations, `packaging` the rest; `signals` gives the
    strongest z of each signal, `equal` the share of layers' tensors that are equal; `seconds` is wall time of the
    process, `compute` the time that the result itself states; `peak`, `read` and `total` are bytes.
    """

    relation: str
    clause: str
    kinds: tuple[Mapping[str, Any], ...] = ()
    packaging: tuple[str, ...] = ()
    direction: str | None = None
    effect: float | None = None
    log10_p: float | None = None
    coverage: tuple[float, float] | None = None
    scope: str | None = None
    signals: Mapping[str, float] = field(default_factory=dict)
    equal: float | None = None
    seconds: float
    compute: float = 0.0
    peak: int
    read: int = 0
    total: int = 0


def tried(pair: Pair) -> Trial:
    """The answer on a pair: from the cache if neither the files nor the auditor have changed, else by comparing."""
    place = cache.root() / "zoo" / "trials" / f"{key(pair)}.json"
    if place.exists():
        return Trial(**cache.record(place.read_text()))
    trial = run(folder(pair.a), folder(pair.b))
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = place.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(trial), indent=1) + "\n")
    partial.replace(place)
    return trial


def run(a: Path, b: Path) -> Trial:
    """Compare two checkpoints.

    Raises
    ------
    RuntimeError
        The command failed otherwise than by refusing its input.
    """
    done = compared(place(a), place(b), *OPTIONS)
    if done.result is None:
        if done.status != 2 or INTERNAL in done.said:
            raise RuntimeError(f"{a.name} : {b.name} ended with status {done.status}: {done.said[-2000:]}")
        return Trial(relation=REFUSED, clause=first_line(done.said), seconds=done.seconds, peak=done.peak)
    verdict, cost = done.result["verdict"], done.result["run"]
    kinds = verdict["kinds"]
    return Trial(
        relation=verdict["relation"],
        clause=verdict["clause"],
        kinds=tuple(kind for kind in kinds if not kind["packaging"]),
        packaging=tuple(kind["kind"] for kind in kinds if kind["packaging"]),
        direction=verdict["direction"],
        effect=verdict["effect"],
        log10_p=verdict["log10_p"],
        coverage=None if verdict["coverage"] is None else (verdict["coverage"]["a"], verdict["coverage"]["b"]),
        scope=verdict["scope"],
        signals=strongest(done.result["evidence"]),
        equal=equal(done.result["layers"]),
        seconds=done.seconds,
        compute=cost["seconds"],
        peak=done.peak,
        read=cost["bytes_read"],
        total=cost["bytes_total"],
    )


def place(checkpoint: Path) -> Path:
    """What a user would name: the folder, or the one GGUF file in it."""
    files = sorted(checkpoint.glob("*.gguf"))
    return files[0] if len(files) == 1 else checkpoint


def strongest(evidence: list[Mapping[str, Any]]) -> dict[str, float]:
    """The z of largest size of each signal."""
    found: dict[str, float] = {}
    for entry in evidence:
        signal, z = entry["signal"], entry["z"]
        if z is not None and abs(z) > abs(found.get(signal, 0.0)):
            found[signal] = z
    return found


def equal(layers: list[Mapping[str, Any]]) -> float | None:
    """Share of the tensors in layers that are equal; None where there are no layers."""
    states = [cell["status"] for layer in layers for cell in layer["cells"]]
    return states.count("equal") / len(states) if states else None


def first_line(said: str) -> str:
    """The error that the command line wrote, without its label, and with paths inside the zoo."""
    line = next((line for line in said.splitlines() if line.startswith("error:")), said.strip().partition("\n")[0])
    for root in (cache.root() / "zoo", REPOSITORY):
        line = line.replace(f"{root}/", "")
    return line.removeprefix("error:").strip()


def key(pair: Pair) -> str:
    """What decides an answer: the files of both, and the auditor."""
    files = [digests(folder(name)) for name in (pair.a, pair.b)]
    return cache.key([pair.name, files, OPTIONS, auditor()])


@once
def auditor() -> list[str]:
    """Digests of the auditor's code and data, and the versions of what its numbers depend on."""
    files = sorted(
        file for name in PACKAGES for file in (REPOSITORY / name).rglob("*") if file.suffix in (".py", ".json")
    )
    return [*(cache.sha256(file) for file in files), version("numpy"), version("torch"), RECORD]
