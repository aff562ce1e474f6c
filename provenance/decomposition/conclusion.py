"""From an analysis to the answer: the outcome, the weights of the parents, and the recipe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from provenance.decomposition.analysis import Analysis
from provenance.decomposition.passthrough import Stack
from provenance.decomposition.recipe import Recipe, dense_recipe, sparse_recipe, stack_recipe
from provenance.decomposition.result import Outcome, ParentShare, Stretch
from provenance.result import rounded


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

    def parents(self) -> tuple[ParentShare, ...]:
        """All parents with their weights."""
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

    def parameters(self) -> Mapping[str, Any]:
        """What the method was given beside weights."""
        if self.outcome is not Outcome.MERGED or self.stack is not None or self.analysis.sparse is None:
            return {}
        sparse = self.analysis.sparse
        names = [self.labels[place] for place in self.analysis.kept]
        density = {name: rounded(float(each)) for name, each in zip(names, sparse.densities, strict=True)}
        return {"density": density, "normalize": sparse.normalised, "lambda": rounded(sparse.scale)}

    def slices(self) -> tuple[Stretch, ...]:
        """One entry a layer of a stack."""
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

    @cached_property
    def recipe(self) -> Recipe | None:
        """The configuration that makes the model again."""
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
