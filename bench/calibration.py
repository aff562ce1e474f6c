"""Are the p-values what they say? Comparisons of nets that are known to be independent.

Under independence the p-values of the index test's T are uniform and those of its F are never too small:
P(p <= alpha) <= alpha. One test a pair, picked by a hash of the pair's name, gives values that are independent of each
other; the checks use these, and the table shows all.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from scipy import stats

from bench.comparison import Compared, GroupTest, compared
from bench.outcome import Check, Grid, Outcome
from bench.pairs import selected

RELATED = ("identical", "derived", "common_origin")
FEWEST_PAIRS = 300
SMALLEST_KS = 1e-3
TAIL = 0.01
LEVELS = (0.05, 0.01, 0.001)
CONFIDENCE = 0.999
SHOWN = 6
"""Subjects in the table of the least uniform."""
COLUMNS = ("tests", "KS, all", "T p < .01", "F p <= .01", "max |z|")


def uniformity(values: Sequence[float]) -> tuple[float, int, int]:
    """Kolmogorov-Smirnov p against uniform, values below `TAIL`, and how many of those may be."""
    count = len(values)
    below = int(np.sum(np.asarray(values) < TAIL))
    return float(stats.kstest(values, "uniform").pvalue), below, int(stats.binom.ppf(CONFIDENCE, count, TAIL))


def judge(comparisons: Sequence[Compared]) -> Outcome:
    """Checks and tables of a set of comparisons."""
    picked = [test for each in comparisons if (test := each.picked) is not None]
    every = [test for each in comparisons for test in each.groups]
    related = [each for each in comparisons if each.relation in RELATED]
    bound = 1 - 0.05 ** (1 / len(comparisons))
    checks = [
        Check.at_least("pairs compared", len(comparisons), FEWEST_PAIRS),
        Check.at_least("pairs with a test", len(picked), FEWEST_PAIRS),
        Check(
            name="pairs called related",
            observed=f"{len(related)} (95 % bound {bound:.2%})",
            required="0",
            passed=not related,
        ),
    ]
    if picked:
        checks += [*_statistic(picked), _subjects(comparisons), *_hits(picked, "one a pair"), *_hits(every, "all")]
    return Outcome(
        part="calibration",
        checks=checks,
        grids=[by_group(comparisons), by_signal(comparisons), by_subject(comparisons)],
        notes=[f"called {each.relation} ({each.clause}): {each.pair}" for each in related],
        data={"comparisons": [asdict(each) for each in comparisons]},
    )


def _statistic(picked: Sequence[GroupTest]) -> list[Check]:
    ks, below, most = uniformity([test.p_statistic for test in picked])
    return [
        Check.at_least("T, one a pair: KS p against uniform", ks, SMALLEST_KS, "{:.3g}"),
        Check(
            name=f"T, one a pair: p < {TAIL:g}",
            observed=f"{below} of {len(picked)}",
            required=f"<= {most} ({CONFIDENCE:.1%} quantile)",
            passed=below <= most,
        ),
    ]


def _subjects(comparisons: Sequence[Compared]) -> Check:
    """An axis whose index has a meaning that strangers share shows here, however rare it is among all tests."""
    found = subjects(comparisons)
    smallest = min(1.0, len(found) * uniformity([test.p_statistic for test in found[0][1]])[0])
    name = f"T, the least uniform of {len(found)} subjects: KS p, corrected"
    return Check.at_least(name, smallest, SMALLEST_KS, "{:.3g}")


def _hits(tests: Sequence[GroupTest], which: str) -> list[Check]:
    values = np.array([test.p_hits for test in tests])
    return [
        Check(
            name=f"F, {which}: share of p <= {level:g}",
            observed=f"{np.mean(values <= level):.4f} ({int(np.sum(values <= level))} of {len(values)})",
            required=f"<= {level:g}",
            passed=bool(np.mean(values <= level) <= level),
        )
        for level in LEVELS
    ]


def by_group(comparisons: Sequence[Compared]) -> Grid:
    """One row a group of pairs, and one for all."""
    groups = sorted({each.group for each in comparisons})
    rows = [_row(group, [each for each in comparisons if each.group == group]) for group in groups]
    return Grid(
        title="independently trained pairs",
        columns=("group", "verdicts", "s a pair", "KS, one a pair", *COLUMNS),
        rows=[*rows, _row("all", comparisons)],
    )


def by_signal(comparisons: Sequence[Compared]) -> Grid:
    """One row a signal."""
    tests = [test for each in comparisons for test in each.tests]
    signals = sorted({test.signal for test in tests})
    rows = [(signal, *_numbers([test for test in tests if test.signal == signal])) for signal in signals]
    return Grid(title="tests by signal", columns=("signal", *COLUMNS), rows=rows)


def by_subject(comparisons: Sequence[Compared]) -> Grid:
    """The subjects whose p-values are least uniform."""
    rows = [(label, *_numbers(tests)) for label, tests in subjects(comparisons)[:SHOWN]]
    return Grid(title=f"the {SHOWN} least uniform subjects", columns=("subject", *COLUMNS), rows=rows)


def subjects(comparisons: Sequence[Compared]) -> list[tuple[str, list[GroupTest]]]:
    """Tests of the same thing in all pairs of a group, least uniform first."""
    tests: dict[str, list[GroupTest]] = {}
    for each in comparisons:
        for test in each.tests:
            tests.setdefault(f"{each.group}, {test.signal}: {test.subject}", []).append(test)
    return sorted(tests.items(), key=lambda item: (uniformity([test.p_statistic for test in item[1]])[0], item[0]))


def _row(group: str, comparisons: Sequence[Compared]) -> tuple[str, ...]:
    verdicts = Counter(each.relation for each in comparisons)
    picked = [test.p_statistic for each in comparisons if (test := each.picked) is not None]
    return (
        group,
        ", ".join(f"{count} {relation}" for relation, count in sorted(verdicts.items())),
        f"{np.median([each.seconds for each in comparisons]):.2f}",
        f"{uniformity(picked)[0]:.3g}" if picked else "-",
        *_numbers([test for each in comparisons for test in each.groups]),
    )


def _numbers(tests: Sequence[GroupTest]) -> tuple[str, ...]:
    """The columns of `COLUMNS`."""
    if not tests:
        return "0", "-", "-", "-", "-"
    ks, below, _ = uniformity([test.p_statistic for test in tests])
    return (
        f"{len(tests)}",
        f"{ks:.3g}",
        f"{below / len(tests):.4f}",
        f"{np.mean([test.p_hits <= TAIL for test in tests]):.4f}",
        f"{max(abs(test.z) for test in tests):.1f}",
    )


def run(workers: int = 2) -> Outcome:
    """Compare all selected pairs in `workers` processes."""
    pairs = selected(workers)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        answers = pool.map(compared, pairs, chunksize=4)
        console = Console(file=sys.stderr)
        comparisons: list[Any] = list(track(answers, "comparing", len(pairs), console=console))
    return judge(comparisons)
