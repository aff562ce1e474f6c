"""Where `derived` ends and `common_origin` begins: both error rates of that rule over how long the models trained.

Two nets from one initialisation that see their data in other orders share no trained weight: truth `common_origin`. A
net that goes on from a trained one is `derived`, however long. Every small architecture of the zoo is trained both ways
for a tenth, a third, once, three and ten times its recipe's steps.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import track

from bench.lineage.score import RELATED, bound
from bench.lineage.tables import NOTHING, middle, share
from bench.lineage.trial import auditor
from bench.outcome import Grid, Outcome
from bench.zoo import cache, folder, tiny
from bench.zoo.architectures import ARCHITECTURES
from bench.zoo.train import generator, train
from provenance import Options, compare

TIMES = (0.1, 0.3, 1.0, 3.0, 10.0)
SEEDS = 3
SAME, CONTINUED = "same initialisation", "continued"
TRUTHS = {SAME: "common_origin", CONTINUED: "derived"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """Two nets of an architecture: how they are related, which seed, and how many recipes long they (or the second
    one's continuation) trained.
    """

    architecture: str
    seed: int
    relation: str
    times: float

    @property
    def name(self) -> str:
        """The same on every machine."""
        return f"{self.architecture}-{self.seed}-{self.relation.replace(' ', '-')}-{self.times:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The verdict on a pair."""

    length: Length
    relation: str
    effect: float | None


def plans(times: Iterable[float] = TIMES, seeds: int = SEEDS) -> list[Length]:
    """All pairs."""
    return [
        Length(architecture=architecture, seed=seed, relation=relation, times=each)
        for architecture in ARCHITECTURES
        for seed in range(seeds)
        for relation in TRUTHS
        for each in times
    ]


def said(length: Length) -> Said:
    """Train what is missing and compare; both are kept in the cache."""
    torch.set_num_threads(1)
    place = cache.root() / "zoo" / "lengths" / length.name
    recipe = asdict(_recipe(length))
    first = (
        tiny.path(length.architecture, length.seed) if length.relation == CONTINUED else _net(place, length, "first")
    )
    second = _net(place, length, "second")
    stamp = cache.key([recipe, cache.sha256(first), cache.sha256(second), auditor()])
    answer = place / "answer.json"
    known: dict[str, Any] = json.loads(answer.read_text()) if answer.exists() else {}
    if known.get("stamp") != stamp:
        verdict = compare(str(first), str(second), Options(threads=1)).verdict
        known = {"stamp": stamp, "relation": str(verdict.relation), "effect": verdict.effect}
        answer.write_text(json.dumps(known) + "\n")
    return Said(length=length, relation=known["relation"], effect=known["effect"])


def run(lengths: Sequence[Length], workers: int = 2) -> list[Said]:
    """All pairs, in `workers` processes."""
    tiny.nets(seeds=SEEDS, workers=workers)
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(track(pool.map(said, lengths), "lengths", len(lengths), console=Console(file=sys.stderr)))


def outcome(answers: Sequence[Said]) -> Outcome:
    """Both error rates, to be read; how large they may be is nobody's law."""
    return Outcome(
        part="lengths",
        checks=(),
        grids=[table(answers), by_architecture(answers)],
        data={"answers": [asdict(each) for each in answers]},
    )


def table(answers: Sequence[Said]) -> Grid:
    """Both error rates by length."""
    rows = []
    for relation, truth in TRUTHS.items():
        for times in sorted({one.length.times for one in answers}):
            each = [one for one in answers if (one.length.relation, one.length.times) == (relation, times)]
            other = "derived" if truth == "common_origin" else "common_origin"
            swapped = sum(one.relation == other for one in each)
            rows.append(
                (
                    relation,
                    f"{times:g}",
                    f"{len(each)}",
                    f"{sum(one.relation == truth for one in each)}",
                    f"{swapped}",
                    f"{share(swapped, len(each))} ({bound(swapped, len(each)):.0%})",
                    f"{sum(one.relation not in RELATED for one in each)}",
                    middle([one.effect for one in each], "{:.2f}") or NOTHING,
                )
            )
    columns = (
        "pairs",
        "recipes long",
        "pairs compared",
        "right",
        "derived for common_origin or back",
        "error rate (at most)",
        "independent or inconclusive",
        "effect",
    )
    return Grid(title="The rule between derived and common_origin", columns=columns, rows=rows)


def by_architecture(answers: Sequence[Said]) -> Grid:
    """Per architecture: how many of the pairs of each length are called what they are."""
    times = sorted({one.length.times for one in answers})
    rows = []
    for relation, truth in TRUTHS.items():
        for architecture in ARCHITECTURES:
            pairs = [
                one for one in answers if (one.length.relation, one.length.architecture) == (relation, architecture)
            ]
            each = [[one.relation == truth for one in pairs if one.length.times == length] for length in times]
            rows.append((relation, architecture, *(f"{sum(right)}/{len(right)}" for right in each)))
    return Grid(
        title="The same by architecture: right answers",
        columns=("pairs", "architecture", *(f"{length:g} recipes" for length in times)),
        rows=rows,
    )


def _recipe(length: Length) -> Any:
    recipe = ARCHITECTURES[length.architecture].recipe
    return replace(recipe, steps=round(length.times * recipe.steps))


def _net(place: Path, length: Length, which: str) -> Path:
    """Train one net of a pair, or take it from the cache."""
    path = place / f"{which}.safetensors"
    if path.exists():
        return path
    architecture = ARCHITECTURES[length.architecture]
    model = architecture.build(generator("length", length.architecture, length.seed, "init"))
    if length.relation == CONTINUED:
        tiny.restore(model, length.architecture, length.seed)
    order = generator("length", length.name, which, "order")
    train(model, architecture.batch, _recipe(length), order)
    tiny.save(model, architecture, path)
    if architecture.config:
        (place / folder.CONFIG).write_text(json.dumps(architecture.config, indent=2) + "\n")
    return path
