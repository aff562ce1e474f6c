"""What a comparison makes of adapters: as which tensors each side is looked at, and what a ruling may then say.

An adapter beside its base is looked at as the base with the adapter applied. An adapter alone against another is looked
at as its products, which no change of basis alters. An adapter alone against a model decides nothing: applied to any
model of fitting sizes it makes something derived from it, whatever it was made for. Only weights that it holds in full
are then tested.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fingerprints.adapters import Adapter, applied_to, changes, read_adapter, unwrapped, with_base
from fingerprints.anatomy import build_anatomy
from fingerprints.checkpoint import Checkpoint, Finding
from fingerprints.errors import UnreadableTensor
from fingerprints.pairing import Pair, PairBasis, Pairing
from fingerprints.readers.quoting import quoted
from fingerprints.signals.tensor_digest import full_equality
from provenance.judgement import Judgement, Ruling
from provenance.medians import weighted_median
from provenance.observation import Observation, Side
from provenance.result import Kind, Relation, rounded
from provenance.side import look_at
from provenance.thresholds import thresholds

MOST_MODULES = 24
"""Modules whose change is measured."""
MOST_ROWS = 64
"""Rows of each that are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How an adapter's modules fit a model: `places` maps its weights to the model's, `lacking` those without one."""

    places: dict[str, str]
    lacking: tuple[str, ...]
    refused: tuple[str, ...] = ()
    relative_change: float | None = None


class Adaptation:
    """Both sides of a comparison, with what adapters make of them; `a` and `b` are what is compared."""

    def __init__(self, a: Checkpoint, b: Checkpoint) -> None:
        self.adapters = read_adapter(a), read_adapter(b)
        self.fit: Fit | None = None
        alone = [each is not None and each.alone for each in self.adapters]
        same = all(alone) and _same_factors(*self.adapters)
        self.a, self.b = (
            stored if each is None else with_base(each) if not each.alone else _look(each, as_stored=same)
            for stored, each in zip((a, b), self.adapters, strict=True)
        )

    @property
    def lone(self) -> Adapter | None:
        """The adapter that is compared with a model, if one side is one."""
        alone = [each for each in self.adapters if each is not None and each.alone]
        return alone[0] if len(alone) == 1 else None

    @property
    def label(self) -> str:
        """The side of the lone adapter."""
        return "A" if self.adapters[0] is self.lone else "B"

    def shown(self, a: Side, b: Side) -> tuple[Side, Side]:
        """The sides as reports describe them: an adapter alone as it is stored."""
        sides = [
            adapter_side(look_at(unwrapped(each)), each) if each is not None and each.alone else side
            for side, each in zip((a, b), self.adapters, strict=True)
        ]
        return sides[0], sides[1]

    def measurable(self, pairing: Pairing) -> Pairing:
        """The pairing without what a lone adapter changes, which is nothing that a model holds."""
        if self.lone is None:
            return pairing
        own = set(self.lone.saved)
        kept = [pair for pair in pairing.pairs if (pair.a if self.label == "A" else pair.b).name in own]
        return replace(pairing, pairs=tuple(kept))

    def find_fit(self, pairing: Pairing, a: Checkpoint, b: Checkpoint) -> None:
        """Look where the weights that a lone adapter changes are in the model, and how much it would change them."""
        adapter = self.lone
        if adapter is None:
            return
        model = b if self.label == "A" else a
        places: dict[str, str] = {}
        for pair in pairing.pairs:
            mine, theirs = (pair.a, pair.b) if self.label == "A" else (pair.b, pair.a)
            module, _, last = mine.name.rpartition(".")
            if not pair.ambiguous and last == "weight" and module in adapter.modules:
                places[mine.name] = theirs.name
        # Vectors have no counterpart of their own rank: they are looked up by the names that they are for.
        for module in adapter.modules:
            if f"{module}.weight" not in places and f"{module}.weight" in model.tensors:
                places[f"{module}.weight"] = f"{module}.weight"
        applied, refused = applied_to(adapter, model, places)
        fitting = {plain: name for plain, name in places.items() if name not in refused}
        self.fit = Fit(
            places=fitting,
            lacking=tuple(module for module in adapter.modules if f"{module}.weight" not in places),
            refused=tuple(f"{quoted(name)}: {reason}" for name, reason in refused.items()),
            relative_change=_relative_change(model, applied, sorted(fitting.values())),
        )

    def judged(self, judgement: Judgement, observed: Observation) -> Judgement:
        """The judgement with what can be said where a side is an adapter alone."""
        ruling = judgement.ruling
        if self.lone is not None:
            return replace(judgement, ruling=self._of_lone(self.lone, ruling))
        a, b = self.adapters
        if a is None or b is None or not (a.alone and b.alone) or ruling.relation is Relation.IDENTICAL:
            return judgement
        if not (a.ranks and b.ranks):
            types = ", ".join(sorted({*a.types, *b.types}))
            reason = f"A and B are adapters ({types}) whose values differ; of these types only equal ones can be told"
            ruling = Ruling(relation=Relation.INCONCLUSIVE, clause="no test fits these adapters", reason=reason)
        elif ruling.relation in (Relation.DERIVED, Relation.COMMON_ORIGIN):
            ruling = _of_products(observed, {*a.saved, *b.saved}, ruling)
        return replace(judgement, ruling=ruling)

    def kinds(self, found: tuple[Kind, ...], relation: Relation) -> tuple[Kind, ...]:
        """The kinds, with the adapter that one side holds."""
        if any(kind.kind == "adapter_merge" for kind in found):
            return found
        held = [(side, each) for side, each in zip("ab", self.adapters, strict=True) if each is not None]
        related = relation in (Relation.DERIVED, Relation.IDENTICAL)
        if len(held) != 1 or not held[0][1].modules or not (related or self.fit):
            return found
        side, adapter = held[0]
        if adapter.alone and not (self.fit and self.fit.places):
            return found
        change = None if self.fit is None else self.fit.relative_change
        kind = Kind(
            kind="adapter_merge",
            parameters={
                "type": " and ".join(adapter.types),
                "rank": max(adapter.ranks, default=None),
                "targets": list(adapter.targets),
                "side": side,
                "merged": False,
                "relative_change": None if change is None else rounded(change),
                "child": None if adapter.alone else side,
            },
            evidence=f"{side.upper()} holds {adapter.text}, {'alone' if adapter.alone else 'beside its base'}",
        )
        others = found if adapter.alone else tuple(each for each in found if not _is_own_base(each, side))
        return (kind, *others)

    def _of_lone(self, adapter: Adapter, ruling: Ruling) -> Ruling:
        """What is known of an adapter and a model: inconclusive, unless weights that it holds in full are related."""
        label, other = self.label, "B" if self.label == "A" else "A"
        if ruling.relation in (Relation.DERIVED, Relation.COMMON_ORIGIN):
            clause = f"{ruling.clause}; of {label}, an adapter, only the weights that it holds in full were tested"
            return replace(ruling, clause=clause)
        reason = f"{label} is an adapter and holds no weights of its own base ({adapter.text}). "
        reason += self._fitting(other)
        claimed = adapter.fields.get("base_model_name_or_path")
        reason += f" It claims the base {quoted(str(claimed))}." if claimed else " It claims no base."
        reason += (
            f" Applied to any model it fits, it makes a model derived from that one; whether it was made for {other}"
        )
        reason += " is not to be seen from this"
        return Ruling(
            relation=Relation.INCONCLUSIVE,
            clause=f"{label} is an adapter, which holds no weights of its own base",
            reason=reason,
        )

    def _fitting(self, other: str) -> str:
        fit = self.fit
        if fit is None:
            return ""
        modules = len(fit.places) + len(fit.lacking) + len(fit.refused)
        if not modules:
            return f"Adapters of this type are not applied, so nothing is known of how it fits {other}."
        text = f"It can be applied to {len(fit.places)} of its {modules} modules in {other}"
        if fit.relative_change is not None:
            text += f", and would change those weights by {fit.relative_change:.3g} of their norm"
        text += "."
        if fit.lacking:
            text += f" {len(fit.lacking)} have no counterpart there, such as {quoted(fit.lacking[0])}."
        if fit.refused:
            text += f" {len(fit.refused)} cannot be applied, such as {fit.refused[0]}."
        return text


WHOLE = 0.9
MOST = 0.5
"""Coverage of the other side, and of an adapter's own, from which the factors are all that the latter has more."""


def _is_own_base(kind: Kind, side: str) -> bool:
    """Whether a kind says no more than that an adapter lies beside its base."""
    other = "a" if side == "b" else "b"
    shares = [kind.parameters.get(f"coverage_{each}", 0.0) for each in (side, other)]
    return kind.kind == "component_reuse" and shares[0] >= MOST and shares[1] >= WHOLE


def adapter_side(side: Side, adapter: Adapter) -> Side:
    """The side with a finding that says which adapter it is."""
    message = f"{'an adapter without its base' if adapter.alone else 'an adapter beside its base'}: {adapter.text}"
    finding = Finding(code="adapter", subject=side.origin.shards[0], message=message)
    findings = (*side.origin.findings, *adapter.config.findings, finding)
    return replace(side, origin=replace(side.origin, findings=findings))


def _of_products(observed: Observation, saved: set[str], ruling: Ruling) -> Ruling:
    """What dependent products of two adapters show: that they are for one base, or that they are nearly the same.

    Products start at zero and take their directions from the base, so that two adapters of one base depend on each
    other without a common value; more so where their factors started from one seed.
    """
    own = [name for name in sorted(observed.dependent_tensors) if name not in saved and name in observed.matrix_effects]
    effect = weighted_median(
        [(rounded(observed.matrix_effects[name]), observed.pair_of[name].a.info.size) for name in own]
    )
    least = thresholds().fine_tune_effect
    if effect is not None and effect >= least:
        clause = f"dependent products of adapters, and an effect of {effect:.3g} (at least {least} for adapters)"
        return replace(ruling, relation=Relation.DERIVED, clause=clause)
    clause = (
        f"dependence of two adapters, with an effect of {effect or 0.0:.3g} in their products (under {least}); those"
        " that were trained on one base look so, more so from one seed, without a common value"
    )
    if effect is None or effect < thresholds().derived_effect_with_support:
        reason = "A and B are adapters whose products hardly agree; a base or a seed in common leaves as much"
        return replace(ruling, relation=Relation.INCONCLUSIVE, clause=clause, reason=reason)
    return replace(ruling, relation=Relation.COMMON_ORIGIN, clause=clause)


def _look(adapter: Adapter, *, as_stored: bool) -> Checkpoint:
    return unwrapped(adapter) if as_stored or not adapter.modules else changes(adapter)


def _same_factors(a: Adapter | None, b: Adapter | None) -> bool:
    """Whether two adapters hold equal factors, up to rounding, and scale them alike."""
    if a is None or b is None or a.scales != b.scales or a.modules.keys() != b.modules.keys():
        return False
    left, right = unwrapped(a), unwrapped(b)
    parts_a, parts_b = build_anatomy(left).parts, build_anatomy(right).parts
    try:
        return parts_a.keys() == parts_b.keys() and all(
            full_equality(Pair(a=part, b=parts_b[name], basis=PairBasis.NAME), left, right).identical
            for name, part in parts_a.items()
        )
    except UnreadableTensor:
        return False


def _relative_change(model: Checkpoint, applied: Checkpoint, names: list[str]) -> float | None:
    """|W' - W| / |W| over rows of some of the weights, evenly spread; None where nothing could be read."""
    step = max(1, math.ceil(len(names) / MOST_MODULES))
    before = after = 0.0
    for name in names[::step]:
        count = model.tensors[name].shape[0] if model.tensors[name].shape else 1
        rows: npt.NDArray[np.int64] = np.unique(np.linspace(0, count - 1, min(count, MOST_ROWS)).astype(np.int64))
        try:
            old, new = model.take(name, rows).astype(np.float64), applied.take(name, rows).astype(np.float64)
        except UnreadableTensor:
            continue
        with np.errstate(all="ignore"):
            before += float(np.square(old).sum())
            after += float(np.square(new - old).sum())
    if not (math.isfinite(before) and math.isfinite(after)) or before <= 0:
        return None
    return math.sqrt(after / before)
