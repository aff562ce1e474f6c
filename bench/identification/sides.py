"""Fingerprints of the zoo against each other: never related where nothing is, never independent where something is."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

from bench.identification.derivatives import connected, origins
from bench.zoo import bases, derive
from bench.zoo.derivatives import DERIVATIONS
from fingerprints.errors import AuditError
from fingerprints.fingerprint import Grade, open_model
from provenance.fingerprint_comparison import RELATED, Printed, observe, printed
from provenance.fingerprinting import fingerprint_of
from provenance.options import ALPHA
from provenance.result import Relation

GRADES = ((Grade.FULL, Grade.FULL), (Grade.SCAN, Grade.FULL), (Grade.SCAN, Grade.SCAN))


def run() -> int:
    """Print every pair that is on the wrong side, and how often what was said.

    Returns
    -------
    int
        1 where a pair is on the wrong side.
    """
    wrong = 0
    prints = {grade: _taken(grade) for grade in Grade}
    for ours, theirs in GRADES:
        told: Counter[tuple[str, str]] = Counter()
        for one, other in _pairs():
            if one not in prints[ours] or other not in prints[theirs]:
                continue
            _, judgement = observe(prints[ours][one], prints[theirs][other], alpha=ALPHA)
            said = judgement.ruling.relation
            whose = _whose(one, other)
            told[whose, said.value] += 1
            if (whose == "kin" and said is Relation.INDEPENDENT) or (whose == "strangers" and said in RELATED):
                wrong += 1
                print(f"wrong  {one}, {other} ({ours}, {theirs}): {said}")
        counts = ", ".join(f"{whose} {said} {count}" for (whose, said), count in sorted(told.items()))
        print(f"{ours} against {theirs}: {counts}")
    return int(wrong > 0)


def _whose(one: str, other: str) -> str:
    """What connects two models: a base, or no more than how two bases began, which a disguise hides for good."""
    ours, theirs = origins(one), origins(other)
    if ours & theirs:
        return "kin"
    return "cousins" if any(connected(a, b) for a in ours for b in theirs) else "strangers"


def _pairs() -> list[tuple[str, str]]:
    """All pairs of bases, and every derivative with the bases of its family."""
    found = list(combinations(bases.BASES, 2))
    for name in DERIVATIONS:
        family = derive.family(name)
        found += [(other, name) for other, base in bases.BASES.items() if base.family == family]
    return found


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
