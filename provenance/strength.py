"""How strong the evidence is, and how small an effect would have been seen."""

from __future__ import annotations

from dataclasses import dataclass

from fingerprints.anatomy import Part
from fingerprints.axes import Faces
from fingerprints.kernels.probability import bonferroni
from fingerprints.wiring import is_table
from provenance.coverage import Covered, cover
from provenance.medians import weighted_median
from provenance.observation import Observation
from provenance.result import rounded
from provenance.thresholds import thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Strength:
    """Numbers that the rules compare, rounded as reported.

    Attributes
    ----------
    covered : Covered
        What is dependent on each side.
    equal_share : float
        Share of the smaller side's learned parameters in equal tensors that were learned for sure.
    lone_share : float
        The same for equal tensors that may be tables both have from elsewhere.
    effect : float or None
        Parameter-weighted median, over the matrices found dependent, of the median matched cosine; of groups where no
        matrix but tables of tokens, positions or classes is; of these only where nothing else is dependent.
    min_detectable : float or None
        Smallest matched cosine that would have been seen in groups holding half of the smaller side's parameters.
    sensitive_share : float
        Share of the smaller side's learned parameters in groups where a cosine of .05 would have been seen.
    log10_p : float or None
        Smallest corrected p-value.
    gains, biases : float or None
        Median rank correlation of each.
    """

    covered: Covered
    equal_share: float
    lone_share: float
    effect: float | None
    min_detectable: float | None
    sensitive_share: float
    log10_p: float | None
    gains: float | None
    biases: float | None


def measure_strength(observed: Observation) -> Strength:
    """Sum an observation up.

    Parameters
    ----------
    observed : Observation
        The pair.
    """
    gains, biases = observed.agreement
    detectable, share = _sensitivity(observed)
    return Strength(
        covered=cover(observed),
        equal_share=_share_of_smaller(observed, set(observed.equal_tensors - observed.lone_tensors)),
        lone_share=_share_of_smaller(observed, set(observed.lone_tensors)),
        effect=_effect(observed),
        min_detectable=detectable,
        sensitive_share=share,
        log10_p=_smallest_p(observed),
        gains=gains,
        biases=biases,
    )


def _smallest_p(observed: Observation) -> float | None:
    """Of all exact tests, of other looks too; None where there is none, or where what was found is no exact test."""
    exact = [observed.corrected(test) for test in observed.measurement.tests if test.exact]
    if observed.borne_out and not observed.dependent_tests:
        exact = []
    if observed.earlier_log10_p:
        exact.append(rounded(bonferroni(observed.earlier_log10_p, observed.hypotheses)))
    return min(exact, default=None)


def _effect(observed: Observation) -> float | None:
    """Of matrices; where none is dependent by itself but tables, of groups; of tables only where nothing else is.

    Rows of a table that no text used are still what they started as.
    """
    values: dict[bool, list[tuple[float, int]]] = {True: [], False: []}
    for name in sorted(observed.dependent_tensors - observed.lone_tensors):
        part = observed.pair_of[name].a
        if len(part.shape) > 1:
            effect = 1.0 if name in observed.equal_tensors else observed.matrix_effects.get(name)
            if effect is not None:
                values[_is_table(part)].append((rounded(effect), part.info.size))
    groups = [
        (rounded(test.statistics.effect), test.statistics.units)
        for test in observed.telling_tests
        if test.scope not in ("tensor", "order") and test.faces is Faces.PRIVATE and test.statistics.z > 0
    ]
    return weighted_median(values[False] or groups or values[True])


PARTLY = 0.5
"""Cosine of all values, of that of the median unit, below which a dependent matrix is not taken for explained."""


def open_share(observed: Observation) -> float:
    """Share of the smaller side's learned parameters in matrices that were looked at and are not explained.

    Those are not dependent; or have an effect far below that of the others, as a few heads in place leave it; or are
    far less alike as a whole than most of their units are, as a fused matrix is of which a part is in another basis.
    """
    least = thresholds().explained_effect * (_effect(observed) or 0.0)
    names = {
        name
        for name, item in observed.measured.items()
        if len(item.pair.a.shape) > 1
        and name not in observed.equal_tensors
        and (
            name not in observed.dependent_tensors
            or observed.matrix_effects.get(name, 1.0) < least
            or item.cosine < PARTLY * observed.matrix_effects.get(name, 0.0)
        )
    }
    if observed.alignment is not None:
        sampled = {pair.a.name for pair in observed.alignment.unsampled}
        left = {pair.a.name: pair for pair, _ in observed.alignment.left_out if pair.a.name not in sampled}
        smaller = min((observed.a.inventory, observed.b.inventory), key=lambda side: side.parameters)
        return rounded(
            _share_of_smaller(observed, names) + sum(p.a.info.size for p in left.values()) / max(smaller.parameters, 1)
        )
    return _share_of_smaller(observed, names)


def _is_table(part: Part) -> bool:
    """Whether a row stands for a token, a position or a class."""
    return is_table(part) or (bool(part.axes) and part.axes[0] in ("vocabulary", "position", "class"))


def _smaller_names(observed: Observation, names: set[str]) -> tuple[set[str], dict[str, int], dict[str, str]]:
    """Names on the smaller side for names in A, with that side's learned tensors and copies."""
    a, b = observed.a.inventory, observed.b.inventory
    if a.parameters <= b.parameters:
        return names, dict(a.learned), dict(a.copies)
    return {observed.pair_of[name].b.name for name in names}, dict(b.learned), dict(b.copies)


def _share_of_smaller(observed: Observation, names: set[str]) -> float:
    held, learned, copies = _smaller_names(observed, names)
    total = sum(learned.values())
    counted = {copies.get(name, name) for name in held}
    return rounded(sum(learned.get(name, 0) for name in counted) / total) if total else 0.0


def _sensitivity(observed: Observation) -> tuple[float | None, float]:
    """The cosine that half of the smaller side would have shown, and the share that would have shown .05."""
    by_role: dict[str, set[str]] = {}
    for pair in observed.pairing.pairs:
        by_role.setdefault(pair.a.template, set()).add(pair.a.name)
    groups = [test for test in observed.measurement.tests if test.exact and test.scope not in ("tensor", "order")]
    ranked = sorted(
        (rounded(test.statistics.min_detectable(observed.log10_level)), place) for place, test in enumerate(groups)
    )
    seen: set[str] = set()
    half: float | None = None
    share = 0.0
    for cosine, place in ranked:
        for name in groups[place].tensors:
            seen |= by_role[observed.role_of(name)]
        held = _share_of_smaller(observed, seen)
        if half is None and held >= thresholds().detectable_share:
            half = cosine
        if cosine <= thresholds().detectable_effect:
            share = held
    return half if half is not None else (ranked[-1][0] if ranked else None), share
