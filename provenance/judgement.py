"""The rules that turn an observation into a relation, in order; the first that holds decides, and is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from fingerprints.anatomy import PartKind
from fingerprints.groups import AxisTest
from fingerprints.selection import NOT_SAMPLED
from provenance.independents import independents
from provenance.observation import Observation, Side
from provenance.result import UNDISGUISED, Relation, rounded
from provenance.strength import Strength, measure_strength
from provenance.thresholds import thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What a rule decided: the relation, the rule in words with the numbers that met it, and for open cases why.

    `basis` is `digest` or `sampled` for `identical` and `weights` for what tests decided; `scope` limits the answer.
    """

    relation: Relation
    clause: str
    reason: str = ""
    basis: str | None = None
    scope: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The ruling on an observation, and the numbers that it rests on."""

    ruling: Ruling
    strength: Strength


def judge(observed: Observation, strength: Strength | None = None) -> Judgement:
    """Apply the rules.

    Parameters
    ----------
    observed : Observation
        The pair.
    strength : Strength, optional
        Numbers for the rules to compare in place of what `measure_strength` says.
    """
    strength = strength or measure_strength(observed)
    for rule in RULES:
        if ruling := rule(observed, strength):
            return Judgement(ruling=ruling, strength=strength)
    return Judgement(ruling=_open(observed, strength), strength=strength)


def identical(observed: Observation, strength: Strength) -> Ruling | None:
    """Learned tensors, copies counted once, match one to one in both directions and are equal."""
    learned_a, learned_b = observed.a.inventory.learned, observed.b.inventory.learned
    if observed.alignment is not None:
        return None
    partners = {pair.b.name for pair in observed.pairing.pairs}
    unreadable = any(reason != NOT_SAMPLED for _, reason in observed.measurement.skipped)
    if observed.vocabulary is not None and not observed.vocabulary.whole:
        return None
    if not observed.measured or unreadable or learned_a.keys() - observed.pair_of.keys() or learned_b.keys() - partners:
        return None
    for pair in observed.pairing.pairs:
        if pair.a.kind is PartKind.STATISTIC:
            continue
        equality = observed.equalities.get(pair.a.name)
        if pair.a.shape != pair.b.shape or (equality is not None and equality.compared and not equality.identical):
            return None
    unseen = {pair.a.name for pair, _ in observed.measurement.skipped} & learned_a.keys()
    complete = not unseen - observed.equalities.keys() and all(
        observed.equalities[name].complete for name in observed.measured
    )
    share = strength.equal_share if complete else _compared_share(observed)
    clause = "every learned tensor of either side has an equal counterpart in the other" + (
        "" if complete else f", as far as was read ({share:.2%} of the values)"
    )
    return Ruling(relation=Relation.IDENTICAL, clause=clause, basis="digest" if complete else "sampled")


def same_digests(observed: Observation) -> Judgement:
    """The judgement on two sides whose files have equal SHA-256, of which no weight was read."""
    clause = "all files with weights have the same SHA-256 on either side, as the Hub lists them"
    ruling = Ruling(relation=Relation.IDENTICAL, clause=clause, basis="digest")
    return Judgement(ruling=ruling, strength=measure_strength(observed))


def too_small(observed: Observation, strength: Strength) -> Ruling | None:
    """Too few learned parameters to test anything."""
    smaller = min(observed.a.inventory.parameters, observed.b.inventory.parameters)
    if smaller >= thresholds().fewest_parameters:
        return None
    if smaller == 0:
        return Ruling(
            relation=Relation.INCONCLUSIVE,
            clause="no learned values to compare",
            reason="; ".join(
                _without_values(label, side)
                for label, side in (("A", observed.a), ("B", observed.b))
                if side.inventory.parameters == 0
            ),
        )
    return Ruling(
        relation=Relation.INCONCLUSIVE,
        clause="too few learned parameters to test",
        reason=f"the smaller side has {smaller:,} learned parameters; under {thresholds().fewest_parameters:,} "
        "nothing can be told apart from chance",
    )


def derived(observed: Observation, strength: Strength) -> Ruling | None:
    """Dependence with an effect that only shared trained weights leave; or equal trained tensors."""
    limits = thresholds()
    effect = strength.effect or 0.0
    dependence = observed.two_axis_dependence
    if not dependence and observed.borne_out:
        return _undisguised(observed, effect)
    clause = None
    if dependence and effect >= limits.derived_effect:
        clause = f"dependence, and an effect of {effect:.3g} (at least {limits.derived_effect})"
    elif dependence and effect >= limits.derived_effect_with_support and (support := _support(strength)):
        clause = f"dependence, an effect of {effect:.3g} (at least {limits.derived_effect_with_support}), and {support}"
    elif strength.equal_share >= limits.equal_share:
        clause = f"equal learned tensors hold {strength.equal_share:.2%} of the smaller side's parameters"
    return Ruling(relation=Relation.DERIVED, clause=clause, basis="weights") if clause else None


def _undisguised(observed: Observation, effect: float) -> Ruling | None:
    """Neurons that two searches match alike, in a basis that was itself searched: strong, but no exact test."""
    limits = thresholds()
    if effect < limits.derived_effect:
        return None
    median = sorted(observed.agreements)[len(observed.agreements) // 2]
    channels = bool(observed.channel_agreements)
    what, around = ("channels", "the layers around them") if channels else ("neurons", "the basis")
    strangers = independents().channels if channels else independents().neurons
    least = limits.channel_agreement if channels else limits.agreement
    return Ruling(
        relation=Relation.DERIVED,
        clause=f"{median:.0%} of the {what} are matched alike by what they read and by what they pass on (median of "
        f"layers, at least {least:.0%}; independents: at most {strangers.most:.1%} in {strangers.pairs} "
        f"pairs), with an effect of {effect:.3g}: not an exact test, since both their order and "
        f"{around} were searched",
        basis="weights",
    )


def common_origin(observed: Observation, strength: Strength) -> Ruling | None:
    """Dependence without the strength that derivation leaves."""
    if not observed.telling_tests:
        return None
    if all(test.statistics.z < 0 for test in observed.telling_tests):
        clause = "dependence of the opposite sign: matched units point away from each other"
    elif not observed.two_axis_dependence:
        clause = "dependence on an output axis alone, which aligned training can leave without a copied weight"
    else:
        clause = f"dependence, but an effect of {strength.effect or 0.0:.3g} without the support that derivation leaves"
    return Ruling(relation=Relation.COMMON_ORIGIN, clause=clause, basis="weights")


def independent(observed: Observation, strength: Strength) -> Ruling | None:
    """Nothing seen, where a small effect would have been seen in most of the smaller side."""
    limits = thresholds()
    detectable = strength.min_detectable
    if (
        _beyond_chance(observed) is not None
        or max((observed.searched_agreement, *observed.agreements)) >= limits.some_agreement
        or strength.lone_share >= limits.equal_share
        or _same_tables(observed)
        or detectable is None
        or detectable > limits.detectable_effect
        or strength.sensitive_share < limits.detectable_share
    ):
        return None
    return Ruling(
        relation=Relation.INDEPENDENT,
        clause=f"no permutation group below alpha; a matched cosine of {limits.detectable_effect} would have been seen "
        f"in groups holding {strength.sensitive_share:.0%} of the smaller side's learned parameters",
        basis="weights",
        scope=None if observed.searched_bases else UNDISGUISED,
    )


def disagreement(first: Judgement, second: Observation) -> Judgement:
    """The judgement after a second sample: as before, unless that one finds dependence.

    Parameters
    ----------
    first : Judgement
        On the first sample.
    second : Observation
        The second sample; its tests are corrected together with the first one's.
    """
    found = second.dependent_tests
    if not found:
        return first
    reason = (
        f"the public sample shows nothing, but a second one does ({len(found)} tests below alpha, "
        f"such as {found[0].subject}); read everything, or choose other positions"
    )
    return replace(first, ruling=Ruling(relation=Relation.INCONCLUSIVE, clause="two samples disagree", reason=reason))


RULES: tuple[Callable[[Observation, Strength], Ruling | None], ...] = (
    identical,
    too_small,
    derived,
    common_origin,
    independent,
)


def _beyond_chance(observed: Observation) -> AxisTest | None:
    """A test whose z no chance explains, though the bound that is exact out there does not reach alpha."""
    tests = [
        test
        for test in observed.measurement.tests
        if (test.statistics.z > 0 or observed.masked.isdisjoint(test.tensors)) and not observed.by_tables_alone(test)
    ]
    worst = max(tests, key=lambda test: abs(test.statistics.z), default=None)
    return worst if worst is not None and abs(worst.statistics.z) > thresholds().beyond_chance_z else None


def _same_tables(observed: Observation) -> bool:
    """Whether embeddings are nearly the same but for their basis."""
    return rounded(observed.table_agreement or 0.0) >= thresholds().table_agreement


def _without_values(label: str, side: Side) -> str:
    """Why a side has nothing to compare."""
    reasons = sorted({*side.inventory.set_aside.values(), *side.inventory.unreadable.values()})
    if not reasons:
        return f"{label} has no tensors"
    count = len(side.anatomy.parts)
    return f"{label} holds no learned values: all {count} tensors were set aside ({'; '.join(reasons[:3])})"


def _support(strength: Strength) -> str | None:
    """What speaks for trained weights in common besides the effect: parameters that start as constants agree."""
    limits = thresholds()
    if strength.equal_share >= limits.equal_share:
        return f"equal learned tensors with {strength.equal_share:.2%} of the smaller side's parameters"
    agreements = [
        (name, value, least)
        for name, value, least in (
            ("gains", strength.gains, limits.gain_agreement),
            ("biases", strength.biases, limits.bias_agreement),
        )
        if value is not None
    ]
    if agreements and all(value >= least for _, value, least in agreements):
        return " and ".join(f"{name} that agree (rank correlation {value:.3g})" for name, value, _ in agreements)
    return None


def _compared_share(observed: Observation) -> float:
    compared = sum(observed.equalities[name].compared for name in observed.measured)
    return compared / max(1, observed.a.inventory.parameters)


def _open(observed: Observation, strength: Strength) -> Ruling:
    """Nothing decided: say what stood in the way."""
    limits = thresholds()
    if not observed.pairing.pairs:
        reason = "no tensor of one side has a counterpart in the other"
    elif not observed.measurement.tests:
        reason = "no axis of any pair of tensors could be tested"
    elif strength.lone_share >= limits.equal_share:
        reason = (
            f"equal tensors hold {strength.lone_share:.2%} of the smaller side's parameters; they may be a copied part "
            "or a table that both have from elsewhere, and nothing else is dependent"
        )
    elif max((observed.searched_agreement, *observed.agreements)) >= limits.some_agreement:
        reason = (
            "a search for another order or basis matches some units alike by what they read and by what they pass on "
            f"(up to {max((observed.searched_agreement, *observed.agreements)):.1%} of a layer), too few to say more"
        )
    elif _same_tables(observed):
        reason = (
            f"embeddings agree in another basis (median cosine of {observed.table_agreement:.3g} on tokens outside of "
            "the fit) and nothing else does: one may be the other's, or both may have been taken from elsewhere"
        )
    elif test := _beyond_chance(observed):
        reason = (
            f"{test.subject} has a z of {test.statistics.z:.3g}, which chance does not explain, though the bound that "
            "is exact at such values does not reach alpha"
        )
    else:
        least = strength.min_detectable
        reason = (
            f"a matched cosine of {limits.detectable_effect} would have been seen in groups holding only "
            f"{strength.sensitive_share:.0%} of the smaller side's learned parameters"
            + (f"; half of them would show {least:.3g}" if least is not None else "")
        )
    return Ruling(relation=Relation.INCONCLUSIVE, clause="no rule was met", reason=reason)
