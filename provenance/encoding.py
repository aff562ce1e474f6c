"""From an observation to the verdict, the evidence, the layers and the open points of a result."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from fingerprints.alignment import order_tests
from fingerprints.groups import AxisTest
from fingerprints.samples import SampleSettings
from fingerprints.selection import NOT_SAMPLED
from fingerprints.signals import SIGNALS
from provenance.judgement import Judgement
from provenance.magnitudes import counted, duration_of, size_of
from provenance.observation import Observation
from provenance.result import Cell, Direction, Evidence, Kind, Layer, NotMeasured, Status, Verdict
from provenance.searches import SUBJECTS, Outcome, Way
from provenance.summary import summarise

_ORDER = {"family": 0, "order": 1, "group": 2, "tensor": 3}
MOST_LISTED = 200


def encode_verdict(
    observed: Observation, judgement: Judgement, kinds: tuple[Kind, ...], direction: Direction | None
) -> Verdict:
    """The answer, with the numbers it rests on and a summary in words."""
    ruling, strength = judgement.ruling, judgement.strength
    return Verdict(
        relation=ruling.relation,
        clause=ruling.clause,
        basis=ruling.basis,
        scope=ruling.scope,
        kinds=kinds,
        direction=direction,
        log10_p=strength.log10_p,
        effect=strength.effect,
        min_detectable_effect=strength.min_detectable,
        coverage=strength.covered.shares,
        alpha=observed.alpha,
        tests=observed.hypotheses,
        summary=summarise(observed, judgement, kinds, direction),
    )


def encode_evidence(observed: Observation, settings: SampleSettings) -> tuple[Evidence, ...]:
    """Every test, those that verdicts quote first."""
    methods = {signal.name: signal.method(settings) for signal in SIGNALS}
    methods[order_tests.SIGNAL] = order_tests.METHOD
    methods["combined"] = "combined/v1?" + "+".join(sorted(methods))
    tests = sorted(observed.measurement.tests, key=lambda test: _ORDER[test.scope])
    return tuple(_encoded(observed, test, methods[test.signal]) for test in tests)


def _encoded(observed: Observation, test: AxisTest, method: str) -> Evidence:
    statistics = test.statistics
    return Evidence(
        signal=test.signal,
        method=method,
        subject=test.subject,
        axis=test.axis,
        layer=test.layer,
        role=test.role,
        tensors=len(test.tensors),
        units=statistics.units,
        z=statistics.z,
        hits=statistics.hits,
        log10_p_statistic=statistics.log10_p_statistic,
        log10_p_hits=statistics.log10_p_hits,
        log10_p=observed.corrected(test),
        effect=statistics.effect,
        min_detectable=statistics.min_detectable(observed.log10_level),
        status=_status(observed, test),
        order=test.order.value,
        decides=test.exact and test.scope != "tensor",
    )


def _status(observed: Observation, test: AxisTest) -> Status:
    if not test.exact:
        return Status.MATCHED
    return Status.DEPENDENT if observed.is_dependent(test) else Status.CHANCE


def encode_layers(observed: Observation) -> tuple[Layer, ...]:
    """The picture of layers and roles: what was seen in each looked-at layer."""
    z_of: dict[str, float] = {}
    for test in observed.measurement.tests:
        if test.scope == "tensor":
            z_of[test.tensors[0]] = max(z_of.get(test.tensors[0], -np.inf), test.statistics.z)
    cells: dict[tuple[int, int], list[Cell]] = defaultdict(list)
    for pair in observed.pairing.pairs:
        layer = (pair.a.layer, pair.b.layer)
        name = pair.a.name
        if layer[0] is None or layer[1] is None or len(pair.a.shape) < 2 or name not in observed.measured:
            continue
        if name in observed.equal_tensors:
            status = "equal"
        elif name in observed.dependent_tensors:
            status = "dependent"
        else:
            status = "chance" if name in z_of else "not tested"
        expert = "" if pair.a.expert is None else f"[{pair.a.expert}]"
        cells[layer[0], layer[1]].append(
            Cell(
                role=(pair.a.role or pair.a.template) + expert,
                effect=observed.matrix_effects.get(name),
                z=z_of.get(name),
                status=status,
            )
        )
    return tuple(Layer(a=a, b=b, cells=tuple(found)) for (a, b), found in sorted(cells.items()))


def encode_not_measured(observed: Observation) -> tuple[NotMeasured, ...]:
    """What could not be tested, or was not, and why; long lists are summed up by reason."""
    found: list[NotMeasured] = []
    by_reason: dict[str, list[str]] = defaultdict(list)
    for pair, reason in observed.measurement.skipped:
        if reason == NOT_SAMPLED:
            by_reason[reason].append(pair.a.name)
        else:
            found.append(NotMeasured(signal="all", subject=pair.a.name, reason=reason))
    for axis in observed.measurement.untested:
        found.append(NotMeasured(signal=axis.signal, subject=axis.subject, reason=axis.reason))
    for item in observed.measurement.tensors:
        for reason in item.reasons:
            by_reason[reason].append(item.pair.a.name)
        if item.not_learned is not None:
            by_reason[f"not evidence: {item.not_learned}"].append(item.pair.a.name)
        if item.shared_zeros:
            found.append(
                NotMeasured(
                    signal="zero mask",
                    subject=item.pair.a.name,
                    reason="zeros stand at the same places on both sides; cosines were taken over the common support",
                )
            )
    for label, side in (("A", observed.a), ("B", observed.b)):
        for name, reason in side.inventory.unreadable.items():
            found.append(NotMeasured(signal="all", subject=f"{label}: {name}", reason=reason))
    if observed.undecided_renames:
        found.append(
            NotMeasured(
                signal="rename by weights",
                subject=f"{observed.undecided_renames} renamed or left-over tensors",
                reason="the weights do not settle which is which; names and shapes were followed",
            )
        )
    found += _not_searched(observed)
    summed = [
        NotMeasured(
            signal="index tests" if not reason.startswith("not evidence") else "all",
            subject=counted(names),
            reason=reason,
        )
        for reason, names in sorted(by_reason.items())
    ]
    if len(found) > MOST_LISTED:
        more = len(found) - MOST_LISTED
        found = [
            *found[:MOST_LISTED],
            NotMeasured(signal="all", subject=f"{more} more", reason="see the reasons above"),
        ]
    return (*found, *summed)


def _not_searched(observed: Observation) -> Iterator[NotMeasured]:
    """Searches that were not made, with their cost, and what those that were made could not see."""
    for search in observed.searches:
        if search.outcome is Outcome.TOO_DEAR:
            cost = f"would read about {size_of(search.cost.bytes)} and take about {duration_of(search.cost.seconds)}"
            yield NotMeasured(
                signal="search",
                subject=SUBJECTS[search.way],
                reason=f"not searched: it {cost}; --thorough searches whatever it costs",
            )
        elif search.outcome is Outcome.OUT_OF_TIME:
            yield NotMeasured(
                signal="search", subject=SUBJECTS[search.way], reason="not searched: the time limit was reached"
            )
    made = {search.way for search in observed.searches if search.outcome is Outcome.MADE}
    if observed.measurement.tests and any(pair.a.shape != pair.b.shape for pair in observed.pairing.pairs):
        yield NotMeasured(
            signal="width subset",
            subject="tensors of different sizes",
            reason="leading units were compared; "
            + (
                "other subsets of units were searched in towers of known roles, and none matched"
                if Way.STRUCTURE in made
                else "other subsets of units are only searched in towers of known roles"
            ),
        )
    if Way.BASES in made and not observed.searchable and observed.alignment is None:
        yield NotMeasured(
            signal="search",
            subject=SUBJECTS[Way.BASES],
            reason="searched in towers of known roles and equal width alone; these leave much of a side out",
        )
    if Way.CHANNELS in made and observed.alignment is None:
        yield NotMeasured(
            signal="search",
            subject=SUBJECTS[Way.CHANNELS],
            reason="searched in layers of equal shapes between inputs and outputs in place, and not found",
        )
    if observed.measurement.tests and not observed.searches:
        yield NotMeasured(
            signal="search",
            subject="permuted units, rotated residual stream",
            reason="not searched: no stack of layers of known roles is on both sides",
        )
