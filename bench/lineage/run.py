"""Runs the benchmark: makes what is missing of the zoo, compares every pair, and judges what came out."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from rich.console import Console
from rich.progress import track

from bench.lineage import tables
from bench.lineage.pairs import Pair, every
from bench.lineage.score import RELATED, Mark, Scored, bound
from bench.lineage.trial import tried
from bench.outcome import Check, Outcome
from bench.peers.sample import stratified
from bench.zoo import derive
from bench.zoo.derivatives import DERIVATIONS

FEWEST_DERIVATIVES, FEWEST_STRANGERS = 60, 150
QUICK = 40
"""Pairs of the quick run."""
QUICK_MODULES = ("packaging", "rounding", "pruning", "editing")
"""The quick run's derivatives: those that need no training."""
LONGEST = 25 * 60.0
"""Seconds that making the derivatives and comparing all pairs may take."""


def scored(pairs: Sequence[Pair], workers: int = 2) -> list[Scored]:
    """Compare pairs, in processes of their own; what is known already is taken from the cache."""
    with ThreadPoolExecutor(workers) as pool:
        console = Console(file=sys.stderr)
        trials = list(track(pool.map(tried, pairs), "comparing", len(pairs), console=console))
    return [Scored(pair=pair, trial=trial) for pair, trial in zip(pairs, trials, strict=True)]


def full(workers: int = 2) -> tuple[Outcome, list[Scored]]:
    """All derivatives, all pairs; the answers with what they come to."""
    start = time.monotonic()
    failed = derive.build(workers=workers)
    made = time.monotonic() - start
    pairs = every([name for name in DERIVATIONS if name not in failed])
    answers = scored(pairs, workers)
    checks = [
        Check.at_least("derivatives", len(DERIVATIONS) - len(failed), FEWEST_DERIVATIVES),
        Check.at_least("strangers of one architecture", len(_same_architecture(answers)), FEWEST_STRANGERS),
        *judged(answers),
        Check.at_most(
            "minutes of process time on two cores, making derivatives not counted",
            sum(one.trial.seconds for one in answers) / 120,
            LONGEST / 60,
            "{:.0f}",
        ),
    ]
    notes = [f"{name} could not be made: {error!r}" for name, error in failed.items()]
    notes.append(f"Making what was missing of the derivatives took {made:.0f} s.")
    return outcome("lineage", answers, checks, notes), answers


def quick(workers: int = 2) -> Outcome:
    """A sample of the pairs whose derivatives need no training."""
    names = [name for name, each in DERIVATIONS.items() if each.make.__module__.rpartition(".")[2] in QUICK_MODULES]
    names = [name for name in names if set(DERIVATIONS[name].parents) <= set(derive.bases.BASES)]
    failed = derive.build(names, workers)
    pairs = every([name for name in names if name not in failed])
    chosen = stratified(
        pairs, lambda pair: f"{pair.group} {pair.transform}", QUICK, "quick", name=lambda pair: pair.name
    )
    answers = scored(chosen, workers)
    return outcome("lineage-quick", answers, judged(answers), [f"{name}: {error!r}" for name, error in failed.items()])


def judged(answers: Sequence[Scored]) -> list[Check]:
    """What has to hold of any set of pairs."""
    strangers = [one for one in answers if one.pair.group == "strangers"]
    false = [one for one in strangers if one.trial.relation in RELATED]
    causes = [one for one in answers if one.pair.group == "causes"]
    aligned = [one for one in causes if one.relation is Mark.RIGHT]
    covered = [one for one in answers if one.pair.group == "relatives" and one.pair.covered]
    right = [one for one in covered if one.relation is Mark.RIGHT]
    unlike = [one for one in answers if one.pair.group == "relatives" and one.trial.relation == "independent"]
    return [
        Check(
            name="strangers called related",
            observed=f"{len(false)} of {len(strangers)} (at most {bound(len(false), len(strangers)):.1%})",
            required="0",
            passed=not false,
        ),
        Check.all_of("likeness without copying called common_origin", len(aligned), len(causes)),
        Check.all_of("relatives that today's signals cover: relation right", len(right), len(covered)),
        Check.all_of(
            "disguised or undisguised relatives called independent: scope stated",
            sum(one.trial.scope is not None for one in unlike),
            len(unlike),
        ),
    ]


def outcome(part: str, answers: Sequence[Scored], checks: Sequence[Check], notes: Sequence[str]) -> Outcome:
    """The tables of a set of answers."""
    relatives, causes, strangers = (
        [one for one in answers if one.pair.group == group] for group in ("relatives", "causes", "strangers")
    )
    return Outcome(
        part=part,
        checks=checks,
        grids=[
            tables.accuracy(answers),
            tables.directions(relatives),
            tables.by_transform(relatives),
            tables.causes(causes),
            tables.strangers(strangers),
            tables.coverage([*relatives, *causes]),
            tables.cost(answers),
            tables.mistakes(answers),
        ],
        notes=notes,
        data={"answers": [{"pair": asdict(one.pair), "trial": asdict(one.trial)} for one in answers]},
    )


def _same_architecture(answers: Iterable[Scored]) -> list[Scored]:
    return [one for one in answers if one.pair.group == "strangers" and "two families" not in one.pair.transform]
