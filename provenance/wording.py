"""The verdict in the words of a catalogue: the headline, the figures behind it, and sentences that can be quoted."""

from __future__ import annotations

from provenance.messages import Messages
from provenance.reports import numbers
from provenance.result import Relation, Result, Verdict


def headline(verdict: Verdict, say: Messages) -> str:
    """The relation as a sentence."""
    directed = f"headline.{verdict.relation}.{verdict.direction}"
    if verdict.relation is Relation.DERIVED and directed in say.texts:
        return say(directed)
    return say(f"headline.{verdict.relation}")


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
    if verdict.scope is not None:
        sentences.append(say("quote.scope", scope=verdict.scope))
    return [*sentences, say("quote.neutral")]
