"""The verdict in the words of a catalogue: the headline, the figures behind it, and sentences that can be quoted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from provenance.messages import LANGUAGES, Messages
from provenance.reports import numbers
from provenance.result import UNDISGUISED, Direction, Kind, Relation, Result, Verdict

RECORDED_LANGUAGE = LANGUAGES[0]
"""What results record in words is in this language."""


def headline(verdict: Verdict, say: Messages) -> str:
    """The relation as a sentence."""
    directed = f"headline.{verdict.relation}.{verdict.direction}"
    if verdict.relation is Relation.DERIVED and directed in say.texts:
        return say(directed)
    return say(f"headline.{verdict.relation}")


def summary(result: Result, say: Messages) -> str:
    """What the weights show: as it was recorded in English, in other languages put together anew."""
    verdict = result.verdict
    if not is_translated(say):
        return verdict.summary
    packaging = [kind for kind in verdict.kinds if kind.packaging]
    sentences = [_first_sentence(verdict, say)]
    if packaging and verdict.relation in (Relation.IDENTICAL, Relation.DERIVED):
        sentences.append(say("summary.packaging", kinds=_listed(packaging, say)))
    return "".join(sentences)


def is_translated(say: Messages) -> bool:
    """Whether the summary was put together anew; the recorded one, which says more, should then stand beside it."""
    return say.language != RECORDED_LANGUAGE


def _first_sentence(verdict: Verdict, say: Messages) -> str:
    if verdict.relation is Relation.IDENTICAL:
        cast = any(kind.kind == "dtype_cast" for kind in verdict.kinds)
        compared = say("summary.complete" if verdict.basis == "digest" else "summary.sampled")
        return say("summary.rounded" if cast else "summary.identical", compared=compared)
    if verdict.relation is not Relation.DERIVED:
        return say(f"summary.{verdict.relation}")
    operations = [kind for kind in verdict.kinds if not kind.packaging]
    if not operations:
        return say("summary.derived", origin=_origin(verdict, say))
    return say("summary.derived.how", kinds=_listed(operations, say), origin=_origin(verdict, say))


def _origin(verdict: Verdict, say: Messages) -> str:
    if verdict.direction in (None, Direction.UNDIRECTED):
        return say("summary.undirected")
    child, parent = ("B", "A") if verdict.direction is Direction.A_TO_B else ("A", "B")
    return say("summary.directed", child=child, parent=parent)


def _listed(kinds: Sequence[Kind], say: Messages) -> str:
    words = dict.fromkeys(kind_words(kind, say) or kind.kind for kind in kinds)
    return reduce(lambda first, second: say("summary.and", first=first, second=second), words)


def kind_words(kind: Kind, say: Messages) -> str | None:
    """What a kind is called in plain words; None for one that is not known."""
    key = f"kind.{kind.kind}"
    return say(key) if key in say.texts else None


def scope(verdict: Verdict, say: Messages) -> str | None:
    """Within what the answer holds; None where nothing limits it."""
    return say("scope.undisguised") if verdict.scope == UNDISGUISED else verdict.scope


def count(number: int, say: Messages) -> str:
    """A large number: `8.03 billion` in English, all digits elsewhere."""
    return f"{number:,}" if is_translated(say) else numbers.count(number)


def direction(verdict: Verdict, say: Messages) -> str:
    """Which side comes from which, as far as the weights tell."""
    return say("direction.none" if verdict.direction is None else f"direction.{verdict.direction}")


def p_value(verdict: Verdict, say: Messages) -> str:
    """The p-value as a bound that holds, and what it is corrected for."""
    if verdict.log10_p is None:
        return say("p.none")
    key = "p.corrected.one" if verdict.tests == 1 else "p.corrected"
    return say(key, p=numbers.p_value(verdict.log10_p), tests=verdict.tests, alpha=f"{verdict.alpha:g}")


def effect(verdict: Verdict, say: Messages) -> str:
    """How alike counterparts are, and what would have been noticed."""
    key = "effect.none" if verdict.effect is None else "effect"
    floor = verdict.min_detectable_effect
    key += "" if floor is None else ".floor"
    return say(key, effect=numbers.cosine(verdict.effect), floor=numbers.cosine(floor))


def coverage(verdict: Verdict, say: Messages) -> str:
    """How much of each side is found dependent."""
    shares = verdict.coverage
    key = "coverage.extrapolated" if shares.extrapolated else "coverage"
    return say(
        key,
        a=numbers.percent(shares.a),
        b=numbers.percent(shares.b),
        extrapolated=numbers.percent(shares.extrapolated),
    )


def statement(result: Result, say: Messages) -> list[str]:
    """Sentences that stand alone, beside the recorded summary: true of what was measured, and saying no more."""
    verdict = result.verdict
    sentences = []
    if verdict.log10_p is not None:
        sentences.append(say("quote.chance", p=numbers.p_value(verdict.log10_p), tests=verdict.tests))
    if verdict.effect is not None:
        sentences.append(say("quote.effect", effect=numbers.cosine(verdict.effect)))
    elif verdict.min_detectable_effect is not None:
        sentences.append(say("quote.floor", floor=numbers.cosine(verdict.min_detectable_effect)))
    if (limits := scope(verdict, say)) is not None:
        sentences.append(say("quote.scope", scope=limits))
    return [*sentences, say("quote.neutral")]
