"""The sentences of a decomposition."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from provenance.decomposition import collinearity
from provenance.decomposition.conclusion import Conclusion
from provenance.decomposition.result import Outcome

BEYOND = 0.05
NEEDS_BASE = "task arithmetic, Model Stock, TIES and DARE can only be told with the parents' base: --base"


@dataclass(frozen=True, slots=True)
class Wording:
    """What is said of a conclusion."""

    conclusion: Conclusion

    @property
    def _shown(self) -> list[str]:
        """The labels as sentences have them: the last part of a path where that tells them apart."""
        ends = [PurePath(label).name or label for label in self.conclusion.labels]
        return [end if ends.count(end) == 1 else label for end, label in zip(ends, self.conclusion.labels, strict=True)]

    def summary(self) -> str:
        """The answer in a sentence or two."""
        found, shown = self.conclusion.analysis, self._shown
        nearest = min(range(len(found.distances)), key=lambda place: found.distances[place])
        if self.conclusion.outcome is Outcome.EQUAL:
            same = " and ".join(shown[place] for place in found.equal_to)
            extent = "every value" if self.conclusion.complete else "every value that was read"
            what = (
                "the base: nothing was merged into it"
                if found.equal_to == (found.count,)
                else "one of its parents: nothing was merged"
            )
            return f"{extent} equals {same}. The model is {what}."
        if self.conclusion.outcome is Outcome.UNEXPLAINED:
            return (
                f"no combination of these parents explains the model: residual {found.residual:.3g} of its norm, where"
                f" rounding leaves {found.rounding:.3g}. The best one takes away {found.explained:.1%} of the squared"
                f" distance to the nearest, {shown[nearest]}."
            )
        if self.conclusion.stack is not None:
            runs = [_slice(first, end, shown[parent]) for parent, first, end in self.conclusion.stack.slices]
            return f"slices on top of each other, unchanged: {', then '.join(runs)}."
        names = [shown[place] for place in found.kept]
        weights = [found.bounds[0][place] for place in found.kept]
        listed = ", ".join(f"{weight:.3f} {name}" for name, weight in zip(names, weights, strict=True))
        onto = f" on {shown[-1]}" if self.conclusion.base and self.conclusion.method not in ("linear", "slerp") else ""
        text = f"a {self.conclusion.method} merge{onto}: {listed}"
        if found.sparse is None and found.choice.fit.resolution != "model":
            text += f" on average; weights vary by {found.choice.fit.resolution}"
        if found.sparse is not None and found.sparse.normalised:
            text += " (proportions: weights are divided by the sum of those that take part)"
        return f"{text}. Residual {found.residual:.3g} of the model's norm, where rounding leaves {found.rounding:.3g}."

    def warnings(self) -> list[str]:
        """What to keep in mind."""
        found = self.conclusion.analysis
        warnings = []
        along = found.first.fit.barred
        if along.size and self.conclusion.outcome is not Outcome.EQUAL and self.conclusion.stack is None:
            warnings += collinearity.in_words(along, self._shown[: found.count], based=self.conclusion.base is not None)
        if self.conclusion.method in ("linear", "slerp"):
            shown = self._shown
            beyond = [shown[place] for place in found.kept if found.bounds[0][place] > 1 + BEYOND]
            if beyond:
                warnings.append(
                    f"the weight of {beyond[0]} is more than 1: the model lies beyond it, which is an extrapolation, or"
                    f" {beyond[0]} was merged from the model"
                )
        if found.lineup.covered < 1 and self.conclusion.stack is None:
            warnings.append(f"only {found.lineup.covered:.1%} of the model's learned parameters could be compared")
        if self.conclusion.outcome is Outcome.UNEXPLAINED and self.conclusion.base is None:
            warnings.append(NEEDS_BASE)
        if self.conclusion.method and self.conclusion.method.startswith("dare"):
            warnings.append("DARE drops elements at random: the recipe gives the same merge only with the same seed")
        if self.conclusion.outcome is Outcome.MERGED and self.conclusion.recipe is None:
            warnings.append("weights differ from tensor to tensor without a pattern that a recipe could give")
        return warnings

    def evidence(self) -> list[str]:
        """What the answer rests on, with numbers."""
        found = self.conclusion.analysis
        if self.conclusion.outcome is Outcome.EQUAL:
            return [f"{sum(sample.compared for sample in found.samples):,} values compared, all equal"]
        if self.conclusion.outcome is Outcome.MERGED and self.conclusion.stack is not None:
            stack = self.conclusion.stack
            return [f"{len(stack.layers)} layers and {len(stack.outside)} other tensors are unchanged copies"]
        lines = [
            f"distance to {name}: {(distance / found.floor) ** 0.5:.3g} times what rounding leaves"
            for name, distance in zip(self._shown, found.distances, strict=True)
        ]
        lines.append(
            "left by the combination, but for the rounding of the result:"
            f" {(found.unexplained / found.floor) ** 0.5:.3g} times"
        )
        if found.parents_floor > found.floor:
            share = (found.parents_floor / found.floor) ** 0.5
            lines.append(f"left where the parents were rounded after the merge: {share:.3g} times")
        if found.sparse is not None:
            lines.append(
                f"{found.sparse.explained:.1%} of the values that can tell are sums of some parents' changes with these"
                " factors"
            )
        elif self.conclusion.outcome is Outcome.MERGED:
            lines.append(f"{found.reproduced or 0.0:.2%} of the values are exactly those of the rounded merge")
        return lines


def _slice(first: int, end: int, name: str) -> str:
    return f"layer {first} of {name}" if end - first == 1 else f"layers {first} to {end - 1} of {name}"
