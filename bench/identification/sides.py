"""Fingerprints of the zoo against each other: on the side where the weights are, or open, and never more positive."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, product

from bench.identification.derivatives import connected, origins
from bench.lineage.pairs import every
from bench.lineage.trial import place
from bench.zoo import bases, derive
from bench.zoo.derivatives import DERIVATIONS
from fingerprints.errors import AuditError
from fingerprints.fingerprint import Grade, open_model
from provenance import Options, compare
from provenance.fingerprint_comparison import Printed, observe, printed
from provenance.fingerprinting import fingerprint_of
from provenance.options import ALPHA
from provenance.result import Relation

OPEN = Relation.INCONCLUSIVE
ALLOWED = {
    Relation.IDENTICAL: {OPEN, Relation.COMMON_ORIGIN, Relation.DERIVED, Relation.IDENTICAL},
    Relation.DERIVED: {OPEN, Relation.COMMON_ORIGIN, Relation.DERIVED},
    Relation.COMMON_ORIGIN: {OPEN, Relation.COMMON_ORIGIN},
    Relation.INDEPENDENT: {OPEN, Relation.INDEPENDENT},
    Relation.INCONCLUSIVE: {OPEN, Relation.INDEPENDENT},
}
"""What fingerprints may say, by what is true or the weights say."""
TRUTH = {"kin": Relation.IDENTICAL, "cousins": Relation.COMMON_ORIGIN, "strangers": Relation.INDEPENDENT}
"""The most that is true of two models."""


def run(*, weights: bool = False) -> int:
    """Print every pair that is on the wrong side, and how often what was said.

    Parameters
    ----------
    weights : bool
        Hold what is said of all that are no strangers against a comparison of their weights as well.

    Returns
    -------
    int
        1 where a pair is on the wrong side.
    """
    prints = {grade: _taken(grade) for grade in Grade}
    pairs = [(one, other) for one, other in _pairs() if {one, other} <= prints[Grade.FULL].keys()]
    weighed = {pair: _by_weights(*pair) for pair in pairs if weights and _whose(*pair) != "strangers"}
    if weighed:
        print(f"{len(weighed)} pairs compared by weights: {_counted(Counter(weighed.values()))}")
    wrong = 0
    for ours, theirs in product(Grade, Grade):
        told: Counter[tuple[str, Relation]] = Counter()
        for pair in pairs:
            _, judgement = observe(prints[ours][pair[0]], prints[theirs][pair[1]], alpha=ALPHA)
            said, whose = judgement.ruling.relation, _whose(*pair)
            told[whose, said] += 1
            if said not in ALLOWED[TRUTH[whose]] & ALLOWED[weighed.get(pair, TRUTH[whose])]:
                wrong += 1
                print(f"wrong  {', '.join(pair)} ({ours}, {theirs}): {said}; the weights: {weighed.get(pair, '-')}")
        for whose in TRUTH:
            counts = Counter({said: count for (side, said), count in told.items() if side == whose})
            print(f"{ours} against {theirs}, {whose}: {_counted(counts)}")
    print(f"{len(pairs)} pairs, {wrong} answers on the wrong side")
    return int(wrong > 0)


def _counted(counts: Counter[Relation]) -> str:
    return ", ".join(f"{relation} {count}" for relation, count in sorted(counts.items()))


def _by_weights(one: str, other: str) -> Relation:
    places = (str(place(derive.folder(name))) for name in (one, other))
    return compare(*places, Options(threads=1)).verdict.relation


def _whose(one: str, other: str) -> str:
    """What connects two models: a base, or no more than how two bases began or learned."""
    ours, theirs = origins(one), origins(other)
    if ours & theirs:
        return "kin"
    return "cousins" if any(connected(a, b) for a in ours for b in theirs) else "strangers"


def _pairs() -> list[tuple[str, str]]:
    """The pairs of the benchmark, all pairs of bases, and every derivative with the bases of its family."""
    found = [(pair.a, pair.b) for pair in every()]
    found += combinations(bases.BASES, 2)
    for name in DERIVATIONS:
        family = derive.family(name)
        found += [(other, name) for other, base in bases.BASES.items() if base.family == family]
    once: dict[frozenset[str], tuple[str, str]] = {}
    for pair in found:
        once.setdefault(frozenset(pair), pair)
    return list(once.values())


def _taken(grade: Grade) -> dict[str, Printed]:
    """The fingerprints of all models; lone adapters have none."""
    found = {}
    for name in (*bases.BASES, *DERIVATIONS):
        try:
            with open_model(derive.folder(name)) as checkpoint:
                found[name] = printed(fingerprint_of(checkpoint, grade=grade), checkpoint.origin)
        except AuditError:
            continue
    return found
