"""One comparison of two independently trained nets: the verdict, and the p-values behind it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from bench.pairs import Pair
from provenance import Options, compare
from provenance.result import Result

COMBINED = "combined"
"""The signal of tests that join several permutation groups."""


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
    return told(pair, compare(str(pair.a), str(pair.b), Options(threads=1)))


def told(pair: Pair, result: Result) -> Compared:
    """What a result says about a pair."""
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
        seconds=round(result.run.seconds, 3),
        tests=tests,
    )
