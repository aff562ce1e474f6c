"""Are the p-values what they say? Comparisons of nets that are known to be independent.

Under independence the p-values of the index test's T are uniform and those of its F are never too small:
P(p <= alpha) <= alpha. One test a pair, picked by a hash of the pair's name, gives values that are independent of each
other; the checks use these, and the table shows all.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from scipy import stats

from bench.outcome import Check, Grid, Outcome
from bench.pairs import Pair, selected
from provenance import Options, compare

COMBINED = "combined"
RELATED = ("identical", "derived", "common_origin")
FEWEST_PAIRS = 300
SMALLEST_KS = 1e-3
TAIL = 0.01
LEVELS = (0.05, 0.01, 0.001)
CONFIDENCE = 0.999
COLUMNS = ("tests", "KS, all", "T p < .01", "F p <= .01", "max |z|")


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTest:
    """One permutation group's test in one comparison."""

    signal: str
    subject: str
    units: int
    z: float
    hits: int
    p_statistic: float
    p_hits: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What one comparison of independents said."""

    pair: str
    group: str
    relation: str
    clause: str
    seconds: float
    tests: tuple[GroupTest, ...]

    @property
    def groups(self) -> tuple[GroupTest, ...]:
        """The tests of single permutation groups; those that combine them would count the same values twice."""
        return tuple(test for test in self.tests if test.signal != COMBINED)

    @property
    def picked(self) -> GroupTest | None:
        """The test that stands for the pair."""
        if not self.groups:
            return None
        number = int.from_bytes(hashlib.sha256(self.pair.encode()).digest()[:8], "little")
        return self.groups[number % len(self.groups)]


def compared(pair: Pair) -> Compared:
    """Compare one pair with the default options."""
    start = time.perf_counter()
    result = compare(str(pair.a), str(pair.b), Options(threads=1))
    tests = tuple(
        GroupTest(
            signal=entry.signal,
            subject=entry.subject,
            units=entry.units,
            z=entry.z,
            hits=entry.hits,
            p_statistic=10**entry.log10_p_statistic,
            p_hits=10**entry.log10_p_hits,
        )
        for entry in result.evidence
        if entry.decides
    )
    return Compared(
        pair=pair.name,
        group=pair.group,
        relation=str(result.verdict.relation),
        clause=result.verdict.clause,
        seconds=round(time.perf_counter() - start, 3),
        tests=tests,
    )


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
        Check(
            name="pairs compared",
            observed=f"{len(comparisons)}",
            required=f">= {FEWEST_PAIRS}",
            passed=len(comparisons) >= FEWEST_PAIRS,
        ),
        Check(
            name="pairs with a test",
            observed=f"{len(picked)}",
            required=f">= {FEWEST_PAIRS}",
            passed=len(picked) >= FEWEST_PAIRS,
        ),
        Check(
            name="pairs called related",
            observed=f"{len(related)} (95 % bound {bound:.2%})",
            required="0",
            passed=not related,
        ),
    ]
    if picked:
        checks += _statistic(picked) + _hits(picked, "one a pair") + _hits(every, "all")
    return Outcome(
        part="calibration",
        checks=checks,
        grids=[by_group(comparisons), by_signal(comparisons)],
        notes=[f"called {each.relation} ({each.clause}): {each.pair}" for each in related],
        data={"comparisons": [asdict(each) for each in comparisons]},
    )


def _statistic(picked: Sequence[GroupTest]) -> list[Check]:
    ks, below, most = uniformity([test.p_statistic for test in picked])
    return [
        Check(
            name="T, one a pair: KS p against uniform",
            observed=f"{ks:.3g}",
            required=f">= {SMALLEST_KS:g}",
            passed=ks >= SMALLEST_KS,
        ),
        Check(
            name=f"T, one a pair: p < {TAIL:g}",
            observed=f"{below} of {len(picked)}",
            required=f"<= {most} ({CONFIDENCE:.1%} quantile)",
            passed=below <= most,
        ),
    ]


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
