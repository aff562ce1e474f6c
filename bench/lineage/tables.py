"""The tables of the benchmark."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from bench.lineage.score import RELATED, Mark, Scored, bound, names
from bench.outcome import Grid
from fingerprints.signals import SIGNALS

K = TypeVar("K", bound=Hashable)
NOTHING = "-"
EQUALITY = "tensor_digest"
"""The signal that has no z: it finds equal tensors."""
MARKS = (Mark.RIGHT, Mark.OPEN, Mark.WRONG)


def by_transform(scored: Sequence[Scored]) -> Grid:
    """Per transform: what is true, what was said, and how much of it is right."""
    rows = []
    for transform, each in grouped(scored, lambda one: one.pair.transform).items():
        rows.append(
            (
                transform,
                families(each),
                counted(one.pair.relation for one in each),
                counted(one.trial.relation for one in each),
                marks(one.relation for one in each),
                listed(set().union(*(names(one.pair.kinds) for one in each))),
                listed(set().union(*(said_kinds(one) for one in each))),
                marks(one.kind for one in each),
                marks(one.direction for one in each),
                middle([one.trial.effect for one in each], "{:.2f}"),
                counted("yes" if one.pair.covered else "no" for one in each),
            )
        )
    columns = (
        "transform",
        "families",
        "true",
        "said",
        "relation",
        "true kinds",
        "said kinds",
        "kinds",
        "direction",
        "effect",
        "covered",
    )
    return Grid(title="Relatives, by transform", columns=columns, rows=rows)


def said_kinds(one: Scored) -> set[str]:
    """The operations that were said, and such packaging as was asked for."""
    return names(one.trial.kinds) | set(one.trial.packaging) & names(one.pair.kinds)


def coverage(scored: Sequence[Scored]) -> Grid:
    """Per transform and signal: the strongest z, the median over pairs."""
    signals = ["combined", *(signal.name for signal in SIGNALS if signal.name != EQUALITY)]
    rows = [
        (
            transform,
            *(middle([one.trial.signals.get(signal) for one in each], "{:.0f}") for signal in signals),
            middle([one.trial.equal for one in each], "{:.0%}"),
        )
        for transform, each in grouped(scored, lambda one: one.pair.transform).items()
    ]
    columns = ("transform", *signals, f"{EQUALITY}: equal tensors in layers")
    return Grid(title="Coverage: transform x signal, strongest z", columns=columns, rows=rows)


def accuracy(scored: Sequence[Scored]) -> Grid:
    """Right, open and wrong answers to each question."""
    relatives = [one for one in scored if one.pair.group != "strangers"]
    others = [one for one in scored if one.pair.group == "strangers"]
    covered = [one for one in relatives if one.pair.covered]
    questions: list[tuple[str, list[Mark | None]]] = [
        ("related or not: relatives and common causes", [one.related for one in relatives]),
        ("… those that today's signals cover", [one.related for one in covered]),
        ("related or not: strangers", [one.related for one in others]),
        ("which relation: relatives and common causes", [one.relation for one in relatives]),
        ("… those that today's signals cover", [one.relation for one in covered]),
        ("kinds of one operation, merges left out", [one.kind for one in relatives if _single(one)]),
        ("main kind of chains, merges left out", [one.main_kind for one in relatives if not one.is_merge]),
        ("kinds of merges beside one parent, which cannot show them", [one.kind for one in relatives if one.is_merge]),
        ("direction, where derived or identical was said", [one.direction for one in relatives]),
    ]
    rows = []
    for question, answers in questions:
        counts = Counter(answer for answer in answers if answer is not None)
        total = counts.total()
        rows.append((question, f"{total}", *(f"{counts[mark]}" for mark in MARKS), share(counts[Mark.RIGHT], total)))
    return Grid(title="Accuracy", columns=("question", "pairs", *MARKS, "right"), rows=rows)


def directions(scored: Sequence[Scored]) -> Grid:
    """Per rule that gives a direction: how often it did, and how often that was right."""
    directed = [one for one in scored if one.trial.direction not in (None, "undirected") and one.direction is not None]
    rows = []
    for rule, each in grouped(directed, _rule).items():
        right = sum(one.direction is Mark.RIGHT for one in each)
        rows.append((rule, f"{len(each)}", f"{right}", f"{bound(len(each) - right, len(each)):.0%}"))
    return Grid(
        title="Directions, by what decides them",
        columns=("decided by", "pairs", "right", "wrong at most"),
        rows=sorted(rows),
    )


def _single(one: Scored) -> bool:
    return len(set(one.operations)) <= 1 and not one.is_merge


def _rule(one: Scored) -> str:
    telling = [kind["kind"] for kind in one.trial.kinds if kind.get("parameters", {}).get("child") is not None]
    return ", ".join(telling) or "rounding: one side holds what rounding leaves of the other"


def strangers(scored: Sequence[Scored]) -> Grid:
    """Per family: verdicts on pairs that share nothing."""
    rows = []
    for (label, family), each in grouped(scored, lambda one: (one.pair.transform, _family(one))).items():
        false = sum(one.trial.relation in RELATED for one in each)
        strongest = max((abs(z) for one in each for z in one.trial.signals.values()), default=None)
        rows.append(
            (
                label,
                family,
                f"{len(each)}",
                counted(one.trial.relation for one in each),
                f"{false}",
                f"{bound(false, len(each)):.1%}",
                NOTHING if strongest is None else f"{strongest:.1f}",
            )
        )
    columns = ("pairs of", "family", "pairs", "said", "false", "at most", "largest z")
    return Grid(title="Strangers", columns=columns, rows=sorted(rows))


def causes(scored: Sequence[Scored]) -> Grid:
    """Likeness without copying: what was said of each pair."""
    rows = [
        (
            one.pair.transform,
            one.pair.name,
            one.trial.relation,
            middle([one.trial.effect], "{:.2f}"),
            middle([one.trial.log10_p], "{:.0f}"),
            one.trial.clause,
        )
        for one in scored
    ]
    columns = ("cause", "pair", "said", "effect", "log10 p", "clause")
    return Grid(title="Likeness without copying", columns=columns, rows=rows)


def cost(scored: Sequence[Scored]) -> Grid:
    """Time, bytes and memory of a comparison."""
    seconds = [one.trial.seconds for one in scored]
    compute = [one.trial.compute for one in scored if one.trial.compute]
    read = [one.trial.read / one.trial.total for one in scored if one.trial.total]
    peak = [one.trial.peak / 1e6 for one in scored]
    rows = [
        (label, *(form.format(pick(values)) for pick in (statistics.median, max)))
        for label, values, form in (
            ("seconds, process", seconds, "{:.2f}"),
            ("seconds, comparison alone", compute, "{:.2f}"),
            ("bytes read, of bytes in both files", read, "{:.2f}"),
            ("peak memory, MB", peak, "{:.0f}"),
        )
    ]
    return Grid(title="Cost of a comparison", columns=("", "median", "largest"), rows=rows)


def mistakes(scored: Sequence[Scored]) -> Grid:
    """Every answer that is wrong about the relation, and every refused checkpoint."""
    rows = [
        (one.pair.name, one.pair.transform, one.pair.relation, one.trial.relation, one.trial.clause)
        for one in scored
        if one.relation is Mark.WRONG or (one.relation is Mark.OPEN and one.pair.group != "strangers")
    ]
    return Grid(
        title="Wrong and open answers about relatives, and wrong ones about strangers",
        columns=("pair", "transform", "true", "said", "because"),
        rows=rows,
    )


def grouped(scored: Iterable[Scored], key: Callable[[Scored], K]) -> Mapping[K, list[Scored]]:
    """The scored pairs by a key, in the order in which the keys come first."""
    groups: dict[K, list[Scored]] = {}
    for one in scored:
        groups.setdefault(key(one), []).append(one)
    return groups


def families(scored: Iterable[Scored]) -> str:
    """The families, in order of appearance."""
    return ", ".join(dict.fromkeys(one.pair.family for one in scored))


def counted(items: Iterable[str]) -> str:
    """`derived 3, independent`: each item with its count where it is not 1."""
    counts = Counter(items)
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{item} {count}" for item, count in counts.most_common())


def listed(items: Iterable[str]) -> str:
    """Items in order, or a dash."""
    return ", ".join(sorted(items)) or NOTHING


def marks(answers: Iterable[Mark | None]) -> str:
    """`3/4` right answers; a dash where none was asked for."""
    counts = Counter(answer for answer in answers if answer is not None)
    if not counts:
        return NOTHING
    wrong = f", {counts[Mark.WRONG]} wrong" if counts[Mark.WRONG] else ""
    return f"{counts[Mark.RIGHT]}/{counts.total()}{wrong}"


def middle(values: Iterable[float | None], form: str) -> str:
    """The median of the values there are."""
    there = [value for value in values if value is not None]
    return form.format(statistics.median(there)) if there else NOTHING


def share(part: int, whole: int) -> str:
    """A percentage."""
    return f"{part / whole:.1%}" if whole else NOTHING


def _family(one: Scored) -> str:
    return "two" if "two families" in one.pair.transform else one.pair.family
