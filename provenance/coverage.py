"""How much of each side is dependent: parameters in role groups found dependent, over all learned parameters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fingerprints.pairing import Pair
from provenance.observation import Observation, Side
from provenance.result import Coverage, rounded
from provenance.thresholds import thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """Names of covered learned tensors on each side, and the resulting shares."""

    a: frozenset[str]
    b: frozenset[str]
    shares: Coverage


def cover(observed: Observation) -> Covered:
    """Which tensors are covered: dependent ones, and unsampled layers of a role whose sampled ones mostly are.

    Parameters
    ----------
    observed : Observation
        The pair.
    """
    tested: dict[str, list[Pair]] = defaultdict(list)
    unsampled: dict[str, list[Pair]] = defaultdict(list)
    for pair in observed.pairing.pairs:
        if pair.a.name in observed.measured:
            tested[pair.a.template].append(pair)
        else:
            unsampled[pair.a.template].append(pair)
    if observed.alignment is not None:
        for pair in observed.alignment.unsampled:
            unsampled[pair.a.template].append(pair)
    direct = {name: observed.pair_of[name] for name in observed.dependent_tensors}
    seen = _Seen(observed), _Seen(observed)
    for pair in direct.values():
        seen[0].add(pair)
    for role, pairs in tested.items():
        dependent = [pair for pair in pairs if pair.a.name in direct]
        if dependent and len(dependent) >= thresholds().extrapolation_share * len(pairs):
            for pair in unsampled.get(role, ()):
                seen[1].add(pair, like=dependent)
    both = seen[0].a | seen[1].a, seen[0].b | seen[1].b
    shares = Coverage(
        a=_share(both[0], observed.a),
        b=_share(both[1], observed.b),
        extrapolated=_share({name: n for name, n in seen[1].a.items() if name not in seen[0].a}, observed.a),
    )
    return Covered(a=frozenset(both[0]), b=frozenset(both[1]), shares=shares)


class _Seen:
    """Elements of stored tensors, by name, that have a dependent counterpart."""

    def __init__(self, observed: Observation) -> None:
        self._sides = observed.a, observed.b
        self._stored = ({}, {}) if observed.alignment is None else observed.alignment.repeated
        self._stands_for = {} if observed.alignment is None else observed.alignment.stands_for
        self._counted: tuple[dict[str, int], dict[str, int]] = ({}, {})

    @property
    def a(self) -> dict[str, int]:
        """By name in A."""
        return self._counted[0]

    @property
    def b(self) -> dict[str, int]:
        """By name in B."""
        return self._counted[1]

    def add(self, pair: Pair, like: Sequence[Pair] = ()) -> None:
        """Count a pair, as far as its views show it; a pair that was not sampled counts as those `like` it do."""
        for place, part in enumerate((pair.a, pair.b)):
            side, counted = self._sides[place], self._counted[place]
            name = self._stored[place].get(part.name, part.name)
            size = int(part.info.size * self._stands_for.get(pair.a.name, 1.0))
            if like and name in side.anatomy.parts:
                kept = [self._kept(place, other) for other in like]
                size = int(side.anatomy.parts[name].info.size * sum(kept) / len(kept))
            name = side.inventory.copies.get(name, name)
            counted[name] = max(counted.get(name, 0), size)

    def _kept(self, place: int, pair: Pair) -> float:
        """Share of a stored tensor that its view shows, or stands for."""
        part = (pair.a, pair.b)[place]
        stored = self._sides[place].anatomy.parts.get(self._stored[place].get(part.name, part.name))
        if stored is None:
            return 1.0
        return min(1.0, part.info.size * self._stands_for.get(pair.a.name, 1.0) / max(stored.info.size, 1))


def _share(seen: Mapping[str, int], side: Side) -> float:
    """Learned parameters that were seen to be dependent over all learned parameters, copies counted once."""
    learned = side.inventory.learned
    total = side.inventory.parameters
    return rounded(sum(min(size, learned.get(name, 0)) for name, size in seen.items()) / total) if total else 0.0
