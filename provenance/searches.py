"""Which searches are made on a pair, and what those that are not would cost.

A search is made where its estimated cost is within a rule that hardly lengthens a comparison, always on small
checkpoints, and always when asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from fingerprints.alignment.cost import Cost, cost_of_bases, cost_of_channels, cost_of_lost_names, cost_of_maps
from fingerprints.alignment.stacks import facing_stacks
from fingerprints.anatomy import Anatomy
from fingerprints.pairing import Pairing
from provenance.thresholds import thresholds

FEWEST_LAYERS = 2


class Way(StrEnum):
    """How a pair is looked at."""

    STRUCTURE = "structure"
    """Through maps of layers, experts and widths, where these differ."""
    NAMES = "names"
    """Tensor beside tensor, as names, roles and shapes pair them."""
    MAPS = "maps"
    """Through maps of layers, experts, neurons and heads that are sought though nothing differs."""
    BASES = "bases"
    """With the basis of the residual stream sought as well."""
    CHANNELS = "channels"
    """Through the order of channels, where no towers are known."""


SUBJECTS = {
    Way.STRUCTURE: "layers, experts and units that are left of others",
    Way.MAPS: "permuted layers, experts, neurons and heads",
    Way.BASES: "rotated or permuted residual stream, mixed heads",
    Way.CHANNELS: "permuted channels of convolutions",
}


class Outcome(StrEnum):
    """What became of a search."""

    MADE = "made"
    TOO_DEAR = "too dear"
    """Beyond the cost rule."""
    OUT_OF_TIME = "out of time"
    NOT_NEEDED = "not needed"
    """Cheaper ways of looking explain the pair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """One search: the layers whose units it matches (None: all), its cost, and what became of it."""

    way: Way
    layers: int | None
    cost: Cost
    outcome: Outcome = Outcome.NOT_NEEDED

    def ended(self, outcome: Outcome) -> Search:
        """The same search, with what became of it."""
        return replace(self, outcome=outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one search may cost; None for whatever it takes."""

    limit: Cost | None

    def allows(self, cost: Cost) -> bool:
        """Whether a cost is within it."""
        return self.limit is None or (cost.bytes <= self.limit.bytes and cost.seconds <= self.limit.seconds)


def budget_of(stored: int, *, unlimited: bool) -> Budget:
    """The rule for checkpoints of `stored` bytes together."""
    limits = thresholds()
    most = max(limits.search_bytes, int(limits.search_share * stored))
    return Budget(limit=None if unlimited else Cost(bytes=most, seconds=limits.search_seconds))


def plan_searches(
    anatomies: tuple[Anatomy, Anatomy], pairing: Pairing, budget: Budget, layers: int | None
) -> tuple[Search, ...]:
    """The searches on a pair whose structures agree, the cheapest first.

    Parameters
    ----------
    anatomies, pairing
        The two sides, as names pair them.
    budget : Budget
        What each may cost. Units are matched in fewer layers before a search is given up.
    layers : int or None
        Layers whose units are matched at most; None for all.
    """
    facing = facing_stacks(*anatomies, pairing)
    if bool(anatomies[0].towers) != bool(anatomies[1].towers):
        cost = cost_of_lost_names(anatomies)
        outcome = Outcome.NOT_NEEDED if budget.allows(cost) else Outcome.TOO_DEAR
        return (Search(way=Way.BASES, layers=layers, cost=cost, outcome=outcome),)
    if not any(anatomy.towers for anatomy in anatomies):
        cost = cost_of_channels(pairing)
        outcome = Outcome.NOT_NEEDED if budget.allows(cost) else Outcome.TOO_DEAR
        return (Search(way=Way.CHANNELS, layers=None, cost=cost, outcome=outcome),) if cost.bytes else ()
    numbers = _fewer(layers)
    planned = []
    for way in (Way.MAPS, Way.BASES):
        costs = [
            (each, cost_of_maps(facing, each) if way is Way.MAPS else cost_of_bases(facing, anatomies, each))
            for each in numbers
        ]
        chosen, cost = next(((each, cost) for each, cost in costs if budget.allows(cost)), costs[0])
        outcome = Outcome.NOT_NEEDED if budget.allows(cost) else Outcome.TOO_DEAR
        planned.append(Search(way=way, layers=chosen, cost=cost, outcome=outcome))
    return tuple(planned) if facing else ()


def _fewer(layers: int | None) -> Sequence[int | None]:
    if layers is None:
        return [None]
    found = [layers]
    while found[-1] // 2 >= FEWEST_LAYERS:
        found.append(found[-1] // 2)
    return found
