"""The layers of a tower as the names have them: layer, rest of the name, tensor."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from fingerprints.anatomy import Anatomy, Part
from fingerprints.pairing import Pairing
from fingerprints.templates import spelt_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A tower's tensors by layer and by what follows the layer's number in their names."""

    path: str
    layers: Mapping[int, Mapping[str, Part]]

    def of_role(self, layer: int) -> dict[tuple[str, str], Part]:
        """The tensors of one layer that have a role, single experts left out, by role and kind."""
        return {
            (part.role, part.kind.value): part
            for part in self.layers[layer].values()
            if part.role is not None and part.expert is None
        }


def stack_of(anatomy: Anatomy, path: str) -> Stack:
    """The stack of layers at a tower's path, tensors of unknown role included."""
    prefix = f"{path}." if path else ""
    layers: dict[int, dict[str, Part]] = defaultdict(dict)
    for part in anatomy.parts.values():
        name = spelt_out(part.template, part.index)
        number, _, rest = name.removeprefix(prefix).partition(".")
        if name.startswith(prefix) and number.isascii() and number.isdigit() and rest:
            layers[int(number)][rest] = part
    return Stack(path=path, layers={layer: layers[layer] for layer in sorted(layers)})


@dataclass(frozen=True, slots=True, kw_only=True)
class StackPair:
    """Two towers that stand for one another, and what the tensors of A's layers are called in B's."""

    a: Stack
    b: Stack
    rests: Mapping[str, str]

    def joined_by(self, pairing: Pairing) -> bool:
        """Whether the pairing gives every layer of either side one of the other, whatever their numbers."""
        found = {
            (pair.a.layer, pair.b.layer)
            for pair in pairing.pairs
            if pair.a.tower == self.a.path and pair.b.tower == self.b.path and pair.a.layer is not None
        }
        ours, theirs = {layer for layer, _ in found}, {layer for _, layer in found}
        return len(found) == len(ours) == len(theirs) and ours == {*self.a.layers} and theirs == {*self.b.layers}


def facing_stacks(a: Anatomy, b: Anatomy, pairing: Pairing) -> tuple[StackPair, ...]:
    """Towers that the pairing joins, each with its partner of most tensors."""
    votes: Counter[tuple[str, str]] = Counter(
        (pair.a.tower, pair.b.tower) for pair in pairing.pairs if pair.a.layer is not None and pair.b.layer is not None
    )
    free_a, free_b = set(a.towers), set(b.towers)
    found = []
    for (one, other), _ in sorted(votes.items(), key=lambda item: (-item[1], item[0])):
        if one in free_a and other in free_b:
            free_a.discard(one)
            free_b.discard(other)
            left, right = stack_of(a, one), stack_of(b, other)
            found.append(StackPair(a=left, b=right, rests=_rests(left, right, pairing)))
    return tuple(sorted(found, key=lambda pair: pair.a.path))


def _rests(a: Stack, b: Stack, pairing: Pairing) -> dict[str, str]:
    """What most counterparts of a tensor are called behind the layer's number."""
    ours = {part.name: rest for layer in a.layers.values() for rest, part in layer.items()}
    theirs = {part.name: rest for layer in b.layers.values() for rest, part in layer.items()}
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for pair in pairing.pairs:
        if pair.a.name in ours and pair.b.name in theirs:
            votes[ours[pair.a.name]][theirs[pair.b.name]] += 1
    return {rest: min(counts, key=lambda other: (-counts[other], other)) for rest, counts in sorted(votes.items())}
