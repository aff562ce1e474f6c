"""Every merge of the zoo taken apart with its parents at hand: method, weights, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from bench.command import Done, asked
from bench.outcome import Check, Grid, Outcome
from bench.zoo.derivatives import DERIVATIONS
from bench.zoo.derive import folder, truth

EXACT, SPARSE = 0.01, 0.03
"""How far a weight may be off: of methods that keep all changes, and of those that drop some."""
ALIKE = {"nuslerp": ("nuslerp", "slerp", "linear")}
"""What a method comes to up to rounding where parents are nearly parallel."""
SPARSIFYING = ("ties", "dare_ties", "dare_linear")


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """One merge: what was done, and what `decompose` said of it.

    `weights` are those of the recipe, brought to a sum of 1 where the method does that, and None where it has none, or
    others in every layer.
    """

    name: str
    method: str
    parents: tuple[str, ...]
    base: str | None
    weights: tuple[float, ...] | None
    done: Done

    @property
    def said(self) -> Mapping[str, Any]:
        """The JSON of the answer."""
        if self.done.result is None:
            raise RuntimeError(f"decompose gave no answer for {self.name}: {self.done.said}")
        return self.done.result

    @property
    def found(self) -> tuple[float, ...]:
        """The weights that were said."""
        return tuple(parent["weight"] for parent in self.said["parents"])

    @property
    def error(self) -> float | None:
        """The largest error of a weight."""
        if self.weights is None:
            return None
        return max(abs(true - found) for true, found in zip(self.weights, self.found, strict=True))

    @property
    def held(self) -> int:
        """How many of the weights lie in their intervals."""
        intervals = [parent["interval"] for parent in self.said["parents"]]
        return sum(low <= true <= high for true, (low, high) in zip(self.weights or (), intervals, strict=False))


def run(workers: int = 2) -> Outcome:
    """All merges that are made."""
    names = [name for name in DERIVATIONS if any(kind["kind"] == "merged" for kind in truth(name).kinds)]
    with ThreadPoolExecutor(workers) as pool:
        merges = list(pool.map(taken_apart, names))
    return outcome(merges)


def taken_apart(name: str) -> Merge:
    """Ask `decompose` about one merge."""
    (kind,) = (kind for kind in truth(name).kinds if kind["kind"] == "merged")
    parents = tuple(dict.fromkeys(parent["name"] for parent in kind["parents"]))
    base = kind.get("base")
    command = ["decompose", str(folder(name)), "--parents", *(str(folder(parent)) for parent in parents)]
    if base:
        command += ["--base", str(folder(base))]
    return Merge(
        name=name,
        method=kind["method"],
        parents=parents,
        base=base,
        weights=_weights(kind),
        done=asked(*command, "--json"),
    )


def outcome(merges: list[Merge]) -> Outcome:
    """Checks and table."""
    right = [merge for merge in merges if merge.said["method"] in ALIKE.get(merge.method, (merge.method,))]
    weighed = [merge for merge in merges if merge.error is not None]
    near = [merge for merge in weighed if (merge.error or 0.0) <= _allowed(merge)]
    rows = [
        (
            merge.name,
            merge.method,
            merge.said["method"] or "-",
            ", ".join(f"{weight:.3f}" for weight in merge.weights) if merge.weights else "-",
            ", ".join(f"{weight:.3f}" for weight in merge.found),
            "-" if merge.error is None else f"{merge.error:.4f}",
            f"{merge.said['residual']:.2g}",
            f"{merge.done.seconds:.1f}",
        )
        for merge in merges
    ]
    columns = ("merge", "true method", "said", "true weights", "said", "error", "left unexplained", "s")
    return Outcome(
        part="merges",
        checks=[
            Check.all_of("methods right", len(right), len(merges)),
            Check.all_of(f"weights within {EXACT} (of methods that drop changes {SPARSE})", len(near), len(weighed)),
            Check.all_of(
                "weights inside their 95 % intervals",
                sum(merge.held for merge in weighed),
                sum(len(merge.weights or ()) for merge in weighed),
            ),
        ],
        grids=[Grid(title="Merges, with their parents at hand", columns=columns, rows=rows)],
        data={"merges": [{"name": merge.name, "said": merge.said} for merge in merges]},
    )


def _weights(kind: Mapping[str, Any]) -> tuple[float, ...] | None:
    found = [parent.get("weight") for parent in kind["parents"]]
    if not all(isinstance(weight, float | int) for weight in found):
        return None
    total = sum(found) if kind["method"] == "ties" else 1.0
    return tuple(weight / total for weight in found)


def _allowed(merge: Merge) -> float:
    return SPARSE if merge.method in SPARSIFYING else EXACT
