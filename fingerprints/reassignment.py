"""A pairing in which some parts have other partners than names and shapes gave them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from fingerprints.anatomy import Part
from fingerprints.pairing import Pair, PairBasis, Pairing


def reassigned(
    pairing: Pairing,
    partners: Mapping[str, Part],
    *,
    basis: PairBasis = PairBasis.WEIGHTS,
    doubtful: Collection[str] = (),
    searched: bool = True,
) -> Pairing:
    """The pairing with new partners for some parts of A; parts of B that lose theirs are left over.

    A pair whose partner is confirmed was not searched for: names and shapes alone had chosen it.

    Parameters
    ----------
    pairing : Pairing
        The pairing so far.
    partners : mapping
        Name of a part of A to its new partner; no part of B twice.
    basis : PairBasis
        What the new partners rest on.
    doubtful : collection of str
        Names of parts of A that might as well have another partner.
    searched : bool
        Whether weights chose the partners.
    """
    taken = {part.name for part in partners.values()}
    pairs = [
        _with_partner(pair, partners[pair.a.name], basis, doubtful, searched=searched)
        if pair.a.name in partners
        else pair
        for pair in pairing.pairs
        if pair.a.name in partners or pair.b.name not in taken
    ]
    pairs += [
        Pair(a=part, b=partners[part.name], basis=basis, ambiguous=part.name in doubtful, searched=searched)
        for part in pairing.only_a
        if part.name in partners
    ]
    present = {pair.a.name for pair in pairs}
    used = {pair.b.name for pair in pairs}
    everything_a = [*(pair.a for pair in pairing.pairs), *pairing.only_a]
    everything_b = [*(pair.b for pair in pairing.pairs), *pairing.only_b]
    return Pairing(
        pairs=tuple(pairs),
        only_a=tuple(part for part in everything_a if part.name not in present),
        only_b=tuple(part for part in everything_b if part.name not in used),
    )


def _with_partner(pair: Pair, b: Part, basis: PairBasis, doubtful: Collection[str], *, searched: bool) -> Pair:
    ambiguous = pair.a.name in doubtful
    if b.name != pair.b.name:
        return Pair(a=pair.a, b=b, basis=basis, ambiguous=ambiguous, searched=searched)
    return replace(pair, basis=pair.basis if pair.basis is PairBasis.PREFIX else basis, ambiguous=ambiguous)
