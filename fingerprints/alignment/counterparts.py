"""Tensors of two layers that stand for one another."""

from __future__ import annotations

from collections.abc import Iterator

from fingerprints.alignment.experts import ExpertMap, mlps_of
from fingerprints.alignment.stacks import StackPair
from fingerprints.pairing import Pair, PairBasis


def counterparts(stacks: StackPair, layers: tuple[int, int], experts: ExpertMap | None) -> Iterator[Pair]:
    """Yield pairs of two layers: by what they are called, MLPs by the experts' map."""
    ours, theirs = stacks.a.layers[layers[0]], stacks.b.layers[layers[1]]
    mapped = {part.name for mlps in (mlps_of(ours), mlps_of(theirs)) for mlp in mlps.values() for part in mlp.values()}
    for rest, part in ours.items():
        other = theirs.get(stacks.rests.get(rest, rest))
        if other is not None and len(part.shape) == len(other.shape):
            if experts is not None and (part.name in mapped or other.name in mapped):
                continue
            basis = PairBasis.NAME if rest == stacks.rests.get(rest, rest) else PairBasis.ROLE
            yield Pair(a=part, b=other, basis=basis)
    if experts is None:
        return
    mlps_a, mlps_b = mlps_of(ours), mlps_of(theirs)
    for expert_a, expert_b in experts.pairs:
        for key, part in mlps_a[expert_a].items():
            other = mlps_b[expert_b].get(key)
            if other is not None and len(part.shape) == len(other.shape):
                yield Pair(a=part, b=other, basis=PairBasis.ROLE)
