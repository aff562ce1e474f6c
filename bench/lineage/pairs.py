"""The pairs of the benchmark: relatives with their truth, likeness without copying, and strangers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations, product
from typing import Any

from bench.zoo.bases import BASES, Base
from bench.zoo.derivatives import DERIVATIONS
from bench.zoo.derivatives.derivation import Truth
from bench.zoo.derive import family, origin, truth
from bench.zoo.families import FAMILIES

TURNED = {"a_to_b": "b_to_a", "b_to_a": "a_to_b", "undirected": "undirected"}

SIBLINGS = (
    ("llama-tuned", "llama-dpo"),
    ("llama-tuned", "llama-second"),
    ("llama-tuned", "llama-continued"),
    ("llama-lora-attention-r16", "llama-lora-linear-r4"),
    ("llama-merge-linear", "llama-merge-ties"),
    ("qwen-tuned", "qwen-dpo"),
    ("gpt2-tuned", "gpt2-continued"),
    ("bert-tuned", "bert-head"),
)
"""Derivatives of one base, neither from the other."""

CAUSES = {
    "same initialisation, other data": (("llama-0", "llama-0-other"), ("bert-0", "bert-0-other")),
    "hidden states distilled": (("llama-1", "llama-distilled"),),
    "one frozen encoder, in neither file": (("decoder-0", "decoder-1"),),
}
"""Likeness without a copied weight, by its cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two checkpoints of the zoo, by name, in the order in which they are compared.

    `group` is "relatives", "causes" or "strangers"; `transform` the row of the table; `relation`, `kinds` and
    `direction` what is true; `covered` whether today's signals are meant to tell.
    """

    group: str
    transform: str
    a: str
    b: str
    relation: str
    kinds: tuple[Mapping[str, Any], ...] = ()
    direction: str = "undirected"
    covered: bool = True
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The same on every machine."""
        return f"{self.a} : {self.b}"

    @property
    def family(self) -> str:
        """The family of the first."""
        return family(self.a)

    def turned(self) -> Pair:
        """The same pair in the other order."""
        return replace(self, a=self.b, b=self.a, direction=TURNED[self.direction])


def shuffled(pair: Pair) -> Pair:
    """Half of all pairs turned, by a hash of their names, so that the order tells nothing."""
    return pair.turned() if hashlib.sha256(pair.name.encode()).digest()[0] & 1 else pair


def ancestors(name: str) -> frozenset[str]:
    """The bases that went into a base or a derivative."""
    if name in BASES:
        return frozenset({name})
    return frozenset[str]().union(*(ancestors(parent) for parent in DERIVATIONS[name].parents))


def tied(one: Base, other: Base) -> bool:
    """Do two bases have anything in common but their recipe and text?

    Seed 0 of one family and of another count as tied: the first tensors that they draw from it can be the same.
    """
    helpers = [{base.name, base.teacher, base.encoder} - {None} for base in (one, other)]
    return one.seed == other.seed or bool(helpers[0] & helpers[1])


def strangers(one: str, other: str) -> bool:
    """Has nothing that went into one gone into the other?"""
    return not any(tied(BASES[a], BASES[b]) for a, b in product(ancestors(one), ancestors(other)))


def chain(name: str) -> Iterator[Mapping[str, Any]]:
    """What was done to the base of a derivative, by its first parents, oldest first."""
    if name not in BASES:
        yield from chain(DERIVATIONS[name].parents[0])
        yield from truth(name).kinds


def lineage(names: Iterable[str]) -> list[Pair]:
    """Each derivative beside each of its parents, and beside its base where that is none of them."""
    pairs = []
    for name in names:
        derivation, found = DERIVATIONS[name], truth(name)
        pairs += [_relatives(derivation.transform, parent, name, found) for parent in derivation.parents]
        if (base := origin(name)) not in derivation.parents:
            whole = replace(found, relation="derived", direction="a_to_b", kinds=tuple(chain(name)))
            pairs.append(_relatives(f"{derivation.transform}; with its base", base, name, whole))
    return pairs


def siblings(names: Iterable[str]) -> list[Pair]:
    """Derivatives of one base beside each other."""
    there = set(names)
    return [
        Pair(group="relatives", transform="siblings", a=a, b=b, relation="derived", details={"kinds": "not judged"})
        for a, b in SIBLINGS
        if {a, b} <= there
    ]


def causes() -> list[Pair]:
    """Likeness without copying."""
    return [
        Pair(group="causes", transform=cause, a=a, b=b, relation="common_origin")
        for cause, pairs in CAUSES.items()
        for a, b in pairs
    ]


def independents(names: Iterable[str]) -> list[Pair]:
    """Bases of one family beside each other, derivatives beside bases, and bases of two families."""
    same = [(a, b, "bases") for a, b in combinations(BASES, 2) if BASES[a].family == BASES[b].family]
    plain = [base for base in BASES.values() if base.name == f"{base.family}-{base.seed}"]
    same += [(a, b.name, "a derivative and a base") for a, b in product(names, plain) if family(a) == b.family]
    mixed = [(f"{a}-0", f"{b}-1", "bases of two families") for a, b in combinations(FAMILIES, 2)]
    return [
        Pair(group="strangers", transform=label, a=a, b=b, relation="independent")
        for a, b, label in (*same, *mixed)
        if strangers(a, b)
    ]


def every(names: Iterable[str] = tuple(DERIVATIONS)) -> list[Pair]:
    """All pairs of the named derivatives and of the bases."""
    names = list(names)
    return [shuffled(pair) for pair in (*lineage(names), *siblings(names), *causes(), *independents(names))]


def _relatives(transform: str, parent: str, name: str, found: Truth) -> Pair:
    return Pair(
        group="relatives",
        transform=transform,
        a=parent,
        b=name,
        relation=found.relation,
        kinds=found.kinds,
        direction=found.direction,
        covered=DERIVATIONS[name].covered,
        details=found.details,
    )
