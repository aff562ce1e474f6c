"""From an analysis to the answer: the outcome, its words, its warnings, and the recipe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath
from typing import Any

from provenance.decomposition import collinearity
from provenance.decomposition.analysis import Analysis
from provenance.decomposition.curves import Curves
from provenance.decomposition.passthrough import Stack
from provenance.decomposition.recipe import Recipe, dense_recipe, sparse_recipe, stack_recipe
from provenance.decomposition.result import Decomposition, Outcome, ParentShare, Stretch
from provenance.result import ModelSummary, Run, rounded

BEYOND = 0.05
NEEDS_BASE = "task arithmetic, Model Stock, TIES and DARE can only be told with the parents' base: --base"


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """What was found, and what is to be said of it.

    Attributes
    ----------
    analysis : Analysis
        Of the parents that fit.
    stack : Stack or None
        Where each layer comes from, when all do from somewhere.
    names : sequence of str
        All parents.
    base : str or None
    fitting : sequence of int
        Places of the parents that fit, among all.
    complete : bool
        Whether every value was read.
    """

    analysis: Analysis
    stack: Stack | None
    names: Sequence[str]
    base: str | None
    fitting: Sequence[int]
    complete: bool

    @cached_property
    def outcome(self) -> Outcome:
        """The answer."""
        if self.analysis.equal_to and self.analysis.lineup.whole_depth:
            return Outcome.EQUAL
        return Outcome.MERGED if self.stack is not None or self.analysis.merged else Outcome.UNEXPLAINED

    @property
    def labels(self) -> list[str]:
        """Names of the parents that fit, and of the base."""
        return [*(self.names[place] for place in self.fitting), *([self.base] if self.base else [])]

    @property
    def method(self) -> str | None:
        """The method, as mergekit calls it."""
        if self.outcome is not Outcome.MERGED:
            return None
        if self.stack is not None:
            return "passthrough"
        found = self.analysis
        return found.sparse.name if found.sparse is not None else found.choice.fit.method.name

    def result(self, model: ModelSummary, base: ModelSummary | None, run: Run) -> Decomposition:
        """Everything in one value."""
        found = self.analysis
        stacked = self.outcome is Outcome.MERGED and self.stack is not None
        equal = self.outcome is Outcome.EQUAL
        curves = Curves(
            choice=found.choice,
            sparse=found.sparse,
            samples=found.kept_samples,
            kept=[self.fitting[place] for place in found.kept],
            parents=len(self.names),
        )
        told = self.outcome is Outcome.MERGED and not stacked
        varies = found.choice.fit.resolution if told and found.sparse is None else "model"
        exact = stacked or equal
        return Decomposition(
            model=model,
            base=base,
            outcome=self.outcome,
            parents=self._parents(),
            method=self.method,
            parameters=self._parameters(),
            varies_by=None if varies == "model" else varies,
            residual=0.0 if exact else rounded(found.residual),
            rounding=rounded(found.rounding),
            explained=1.0 if exact else rounded(found.explained),
            reproduced=1.0 if exact else found.reproduced,
            equal_to=tuple(self.labels[place] for place in found.equal_to) if equal else (),
            per_layer=self._slices() if stacked else curves.by_layer() if told else (),
            per_role=curves.by_role() if told else (),
            recipe=self._recipe(),
            summary=self._summary(),
            warnings=tuple(self._warnings()),
            evidence=tuple(self._evidence()),
            not_compared=() if stacked else found.lineup.notes,
            coverage=1.0 if stacked else rounded(found.lineup.covered),
            run=run,
        )

    def _parents(self) -> tuple[ParentShare, ...]:
        found = self.analysis
        shares: list[ParentShare] = []
        for place, name in enumerate(self.names):
            if place not in self.fitting:
                note = "its tensors do not fit the model's"
                shares.append(ParentShare(name=name, weight=None, interval=None, contributes=False, note=note))
                continue
            at = list(self.fitting).index(place)
            if self.outcome is Outcome.EQUAL:
                same = at in found.equal_to
                shares.append(ParentShare(name=name, weight=float(same), interval=None, contributes=same))
            elif self.outcome is Outcome.MERGED and self.stack is not None:
                share = self.stack.shares[at]
                note = "share of the model's parameters" if share else "no layer comes from it"
                interval = (share, share)
                shares.append(ParentShare(name=name, weight=share, interval=interval, contributes=share > 0, note=note))
            else:
                weights, low, high = found.bounds
                contributes = at in found.kept if self.outcome is Outcome.MERGED else None
                shares.append(
                    ParentShare(
                        name=name,
                        weight=float(weights[at]),
                        interval=(float(low[at]), float(high[at])),
                        contributes=contributes,
                        note="not a parent: its weight is nothing" if contributes is False else "",
                    )
                )
        return tuple(shares)

    def _parameters(self) -> Mapping[str, Any]:
        if self.outcome is not Outcome.MERGED or self.stack is not None or self.analysis.sparse is None:
            return {}
        sparse = self.analysis.sparse
        names = [self.labels[place] for place in self.analysis.kept]
        density = {name: rounded(float(each)) for name, each in zip(names, sparse.densities, strict=True)}
        return {"density": density, "normalize": sparse.normalised, "lambda": rounded(sparse.scale)}

    def _slices(self) -> tuple[Stretch, ...]:
        stack = self.stack
        if stack is None:
            return ()
        parts = Counter(each.layer for each in self.analysis.lineup.standings)
        found = []
        for layer, (parent, origin) in sorted(stack.layers.items()):
            weights = tuple(float(self.fitting[parent] == place) for place in range(len(self.names)))
            found.append(
                Stretch(
                    layer=layer,
                    role=None,
                    tensors=parts[layer],
                    weights=weights,
                    intervals=(None,) * len(self.names),
                    residual=0.0,
                    source=(self.labels[parent], origin),
                )
            )
        return tuple(found)

    def _recipe(self) -> Recipe | None:
        if self.outcome is not Outcome.MERGED:
            return None
        found = self.analysis
        types = Counter[str]()
        for sample in found.samples:
            types[sample.dtype or "F32"] += sample.count
        dtype = max(types, key=lambda name: (types[name], name))
        if self.stack is not None:
            return stack_recipe(self.stack, self.labels, dtype)
        kept = [self.labels[place] for place in found.kept]
        if found.sparse is not None:
            return sparse_recipe(found.sparse, kept, self.base or "", dtype)
        return dense_recipe(found.choice.fit, found.choice.samples, kept, self.base, dtype)

    @property
    def _shown(self) -> list[str]:
        """The labels as sentences have them: the last part of a path where that tells them apart."""
        ends = [PurePath(label).name or label for label in self.labels]
        return [end if ends.count(end) == 1 else label for end, label in zip(ends, self.labels, strict=True)]

    def _summary(self) -> str:
        found, shown = self.analysis, self._shown
        nearest = min(range(len(found.distances)), key=lambda place: found.distances[place])
        if self.outcome is Outcome.EQUAL:
            same = " and ".join(shown[place] for place in found.equal_to)
            extent = "every value" if self.complete else "every value that was read"
            what = (
                "the base: nothing was merged into it"
                if found.equal_to == (found.count,)
                else "one of its parents: nothing was merged"
            )
            return f"{extent} equals {same}. The model is {what}."
        if self.outcome is Outcome.UNEXPLAINED:
            return (
                f"no combination of these parents explains the model: residual {found.residual:.3g} of its norm, where"
                f" rounding leaves {found.rounding:.3g}. The best one takes away {found.explained:.1%} of the squared"
                f" distance to the nearest, {shown[nearest]}."
            )
        if self.stack is not None:
            runs = [_slice(first, end, shown[parent]) for parent, first, end in self.stack.slices]
            return f"slices on top of each other, unchanged: {', then '.join(runs)}."
        names = [shown[place] for place in found.kept]
        weights = [found.bounds[0][place] for place in found.kept]
        listed = ", ".join(f"{weight:.3f} {name}" for name, weight in zip(names, weights, strict=True))
        onto = f" on {shown[-1]}" if self.base and self.method not in ("linear", "slerp") else ""
        text = f"a {self.method} merge{onto}: {listed}"
        if found.sparse is None and found.choice.fit.resolution != "model":
            text += f" on average; weights vary by {found.choice.fit.resolution}"
        if found.sparse is not None and found.sparse.normalised:
            text += " (proportions: weights are divided by the sum of those that take part)"
        return f"{text}. Residual {found.residual:.3g} of the model's norm, where rounding leaves {found.rounding:.3g}."

    def _warnings(self) -> list[str]:
        found = self.analysis
        warnings = []
        along = found.first.fit.barred
        if along.size and self.outcome is not Outcome.EQUAL and self.stack is None:
            warnings += collinearity.in_words(along, self._shown[: found.count], based=self.base is not None)
        if self.method in ("linear", "slerp"):
            shown = self._shown
            beyond = [shown[place] for place in found.kept if found.bounds[0][place] > 1 + BEYOND]
            if beyond:
                warnings.append(
                    f"the weight of {beyond[0]} is more than 1: the model lies beyond it, which is an extrapolation, or"
                    f" {beyond[0]} was merged from the model"
                )
        if found.lineup.covered < 1 and self.stack is None:
            warnings.append(f"only {found.lineup.covered:.1%} of the model's learned parameters could be compared")
        if self.outcome is Outcome.UNEXPLAINED and self.base is None:
            warnings.append(NEEDS_BASE)
        if self.method and self.method.startswith("dare"):
            warnings.append("DARE drops elements at random: the recipe gives the same merge only with the same seed")
        if self.outcome is Outcome.MERGED and self._recipe() is None:
            warnings.append("weights differ from tensor to tensor without a pattern that a recipe could give")
        return warnings

    def _evidence(self) -> list[str]:
        found = self.analysis
        if self.outcome is Outcome.EQUAL:
            return [f"{sum(sample.compared for sample in found.samples):,} values compared, all equal"]
        if self.outcome is Outcome.MERGED and self.stack is not None:
            return [f"{len(self.stack.layers)} layers and {len(self.stack.outside)} other tensors are unchanged copies"]
        lines = [
            f"distance to {name}: {(distance / found.floor) ** 0.5:.3g} times what rounding leaves"
            for name, distance in zip(self._shown, found.distances, strict=True)
        ]
        lines.append(f"left by the combination: {(found.unexplained / found.floor) ** 0.5:.3g} times")
        if found.sparse is not None:
            lines.append(
                f"{found.sparse.explained:.1%} of the values that can tell are sums of some parents' changes with these"
                " factors"
            )
        elif self.outcome is Outcome.MERGED:
            lines.append(f"{found.reproduced or 0.0:.2%} of the values are exactly those of the rounded merge")
        return lines


def _slice(first: int, end: int, name: str) -> str:
    return f"layer {first} of {name}" if end - first == 1 else f"layers {first} to {end - 1} of {name}"
