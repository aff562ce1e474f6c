"""Stacks under another name whose layers stand in another order: one matrix a layer tells, and the rest follows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from fingerprints.anatomy import Part
from fingerprints.pairing import Pair, PairBasis, Pairing
from fingerprints.templates import pieces

Stacks = tuple[str, str]
"""Paths of a stack of A and of one of B."""


def probes(pairing: Pairing) -> frozenset[str]:
    """Names in A of one matrix a layer of each stack that is paired by a prefix: the numbers might have moved as well.

    Parameters
    ----------
    pairing : Pairing
        From names and shapes.
    """
    found: dict[Stacks, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for pair in pairing.pairs:
        if pair.basis is PairBasis.PREFIX and len(pair.a.shape) == 2 and len(pair.a.index) == 1:
            found[_stacks(pair.a, pair.b)][pair.a.template].append(pair.a.name)
    chosen = (max(by_template.items(), key=lambda item: (len(item[1]), item[0])) for by_template in found.values())
    return frozenset(name for _, names in chosen for name in names)


def followers(pairing: Pairing, partners: Mapping[str, Part]) -> dict[str, Part]:
    """New partners, by name in A, of what stands in layers that the weights found elsewhere.

    Parameters
    ----------
    pairing : Pairing
        From names and shapes.
    partners : mapping
        What the weights settled: name in A to its partner.
    """
    order = _order(pairing, partners)
    at = {(part.template, part.index): part for part in (*(pair.b for pair in pairing.pairs), *pairing.only_b)}
    taken = {part.name for part in partners.values()}
    found: dict[str, Part] = {}
    for pair in pairing.pairs:
        if pair.a.name in partners or not _may_follow(pair):
            continue
        layer = order.get(_stacks(pair.a, pair.b), {}).get(pair.a.index[0])
        other = at.get((pair.b.template, (layer, *pair.b.index[1:]))) if layer is not None else None
        if other is None or other.name == pair.b.name:
            continue
        if other.name not in taken and other.shape == pair.a.shape:
            found[pair.a.name] = other
    return found


def _may_follow(pair: Pair) -> bool:
    return pair.renamed and not pair.ambiguous and pair.basis is not PairBasis.USER and bool(pair.a.index)


def _order(pairing: Pairing, partners: Mapping[str, Part]) -> dict[Stacks, dict[int, int]]:
    """Where each layer of a stack went, where all its tensors agree and no two layers went to one place."""
    votes: dict[Stacks, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for part in (*(pair.a for pair in pairing.pairs), *pairing.only_a):
        other = partners.get(part.name)
        if other is not None and part.index and other.index:
            votes[_stacks(part, other)][part.index[0]].add(other.index[0])
    orders = {
        stacks: {layer: min(places) for layer, places in found.items() if len(places) == 1}
        for stacks, found in votes.items()
    }
    return {stacks: order for stacks, order in orders.items() if len(set(order.values())) == len(order)}


def _stacks(a: Part, b: Part) -> Stacks:
    return pieces(a.template)[0], pieces(b.template)[0]
