"""`python -m bench.lineage`: the whole benchmark, and `docs/benchmark.md` from it.

What is made, trained and answered is kept in the cache: a run that was interrupted goes on, and one after a change of
the auditor compares again without making anything anew.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from rich.console import Console

from bench.lineage import document, lengths, merges, peering, run
from bench.lineage.score import Scored
from bench.outcome import Outcome
from bench.run import WIDTH


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.lineage", description="compare all pairs of the zoo")
    parser.add_argument("--workers", type=int, default=2, help="processes at a time")
    workers: int = parser.parse_args().workers
    console = Console(width=WIDTH)
    answers: list[Scored] = []

    def whole() -> Outcome:
        outcome, found = run.full(workers)
        answers.extend(found)
        return outcome

    steps: tuple[Callable[[], Outcome], ...] = (
        whole,
        lambda: merges.run(workers),
        lambda: lengths.outcome(lengths.run(lengths.plans(), workers)),
        lambda: peering.run(answers, workers),
    )
    outcomes = []
    for step in steps:
        start = time.monotonic()
        outcome = step()
        seconds = time.monotonic() - start
        outcome.show(console)
        console.print(f"{outcome.part}: {seconds:.0f} s, written to {outcome.write(seconds)}")
        outcomes.append(outcome)
    console.print(f"written: {document.write(outcomes)}")
    return 0 if all(outcome.passed for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
