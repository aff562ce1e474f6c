"""What it costs to find copies of big models: with their layers re-ordered, and disguised as thoroughly as can be.

Worst cases: every search is made to its end. Everything is warm, in the page cache.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import copies, shapes
from bench.command import Done, compared
from bench.outcome import Check, Grid, Outcome
from bench.speed import files, load_notes, plain_read
from bench.zoo.llama import LlamaConfig
from fingerprints.readers import open_checkpoint

NOISE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One pair: sizes, what the second is, and what comparing it may cost. `share` is of the bytes of both."""

    name: str
    shapes: str
    copy: str
    options: tuple[str, ...]
    relation: str
    seconds: float
    peak: float
    share: float = 1.0


CASES = (
    Case(
        name="layers in another order, and a tenth of noise",
        shapes="7b",
        copy="reordered",
        options=(),
        relation="derived",
        seconds=20.0,
        peak=1e9,
        share=0.05,
    ),
    Case(
        name="everything disguised",
        shapes="3b",
        copy="disguised",
        options=("--thorough",),
        relation="derived",
        seconds=180.0,
        peak=4e9,
    ),
    Case(
        name="strangers",
        shapes="3b",
        copy="stranger",
        options=("--thorough",),
        relation="independent",
        seconds=180.0,
        peak=4e9,
    ),
)


@contextmanager
def pair(case: Case, config: LlamaConfig) -> Iterator[tuple[Path, Path]]:
    """Both checkpoints of a case."""
    with shapes.space(config, 2) as folder:
        a, b = shapes.write(folder / "a", config, seed=1), folder / "b"
        if case.copy == "stranger":
            yield a, shapes.write(b, config, seed=2)
            return
        with open_checkpoint(a) as source:
            if case.copy == "reordered":
                order = np.random.default_rng(3).permutation(config.layers).tolist()
                fill = copies.reordered(source, order, NOISE)
            else:
                fill = copies.changed(source, copies.Disguise(source, config))
            shapes.store(b, config, fill)
        yield a, b


def judge(runs: list[tuple[Case, Done]], load: float) -> Outcome:
    """Checks and table."""
    checks, rows = [], []
    for case, done in runs:
        if done.result is None:
            raise RuntimeError(f"{case.name}: no result; status {done.status}: {done.said}")
        verdict, cost = done.result["verdict"], done.result["run"]
        share = cost["bytes_read"] / cost["bytes_total"]
        label = f"{case.name}, {case.shapes}"
        checks += [
            Check(
                name=f"{label}: relation",
                observed=verdict["relation"],
                required=case.relation,
                passed=verdict["relation"] == case.relation,
            ),
            Check.at_most(f"{label}: time", done.seconds, case.seconds, "{:.1f} s"),
            Check.at_most(f"{label}: peak memory", done.peak / 1e9, case.peak / 1e9, "{:.2f} GB"),
            Check.at_most(f"{label}: bytes read", share, case.share, "{:.1%}"),
        ]
        kinds = ", ".join(kind["kind"] for kind in verdict["kinds"]) or "-"
        rows.append((label, verdict["relation"], kinds, f"{done.seconds:.1f}", f"{done.processor:.1f}", f"{share:.1%}"))
    return Outcome(
        part="copy-speed",
        checks=checks,
        grids=[
            Grid(
                title="searches to their end, page cache warm",
                columns=("pair", "relation", "kinds", "s", "processor s", "read"),
                rows=rows,
            )
        ],
        notes=load_notes(load),
        data={"load": load, "seconds": {case.name: done.seconds for case, done in runs}},
    )


def run(cases: tuple[Case, ...] = CASES) -> Outcome:
    """Write each pair, compare it, delete it."""
    load = os.getloadavg()[0]
    runs = []
    for case in cases:
        with pair(case, shapes.SHAPES[case.shapes]) as (a, b):
            plain_read(files((a, b)))
            runs.append((case, compared(a, b, *case.options)))
    return judge(runs, load)
