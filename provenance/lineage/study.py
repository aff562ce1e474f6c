"""Which pairs of many models are worth comparing by their weights, and what lies between all of them.

A family is laid beside one of its models, its centre, so that every model is compared once; what names alone pair with
the centre can then be measured against each other from the samples that were read. What only a search brought into the
centre's coordinates is compared with those models that are about as far from the centre as it is, tensor by tensor: by
the triangle inequality no other can be nearer. In the end every edge that a lineage draws rests on a comparison.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Final

from provenance.lineage.assembled import LEAST_PART
from provenance.lineage.centres import centres_of, families
from provenance.lineage.cost import lengths
from provenance.lineage.mixtures import Suspect, find_suspects
from provenance.lineage.pair import Pair, Portrait, Portrayed, portrayed_pair
from provenance.lineage.profile import least_between, profile_of
from provenance.lineage.reconstruction import folded, reconstruct, related_pairs
from provenance.result import Relation

NEAREST: Final = 3
"""Models that a model is compared with beside its family's centre, where samples cannot tell."""
AS_NEAR: Final = 1.01
"""How many times as much may lie between two models as between the nearest, for their pair to be compared as well: what
operation explains a change, comparisons alone tell."""
ROUNDS: Final = 4
"""How often edges that no comparison has borne out are compared, and the lineage drawn anew."""
MOST_PORTRAYED: Final = 400
"""Models of one family whose samples are held in memory: some megabytes each."""

Key = tuple[str, str]
Examine = Callable[[Sequence[Key]], Mapping[Key, Portrayed]]
"""Compares pairs, each in the order given; those that could not be compared are missing."""
TakeApart = Callable[[Sequence[Suspect]], Mapping[str, tuple[str, ...]]]
"""Finds which models are merges indeed, and the parents that these have."""


class Study:
    """Comparisons of a number of models.

    Parameters
    ----------
    related : mapping
        Pairs that fingerprints show to be related, by both names in order.
    doubtful : callable
        Whether two models may be related though their fingerprints show nothing.
    examine : callable
        Compares weights.
    take_apart : callable
        Decomposes merges.

    Attributes
    ----------
    merges : dict
        Models that are merges of others, and those, by their values.
    """

    def __init__(
        self,
        related: Mapping[Key, Pair],
        doubtful: Callable[[str, str], bool],
        examine: Examine,
        take_apart: TakeApart,
    ) -> None:
        self._related, self._doubtful, self._examine, self._take_apart = related, doubtful, examine, take_apart
        self._examined: dict[frozenset[str], Pair] = {}
        self._portrayed: dict[frozenset[str], Pair] = {}
        self.merges: dict[str, tuple[str, ...]] = {}

    def pairs(self, models: Collection[str]) -> list[Pair]:
        """Everything that is known of `models` in the end."""
        left = set(models)
        around: defaultdict[str, set[str]] = defaultdict(set)
        for a, b in self._related:
            around[a].add(b)
            around[b].add(a)
        centres: dict[str, set[str]] = {}
        for group in families({name: around[name] for name in left}):
            while group:
                centre = self._centre(group)
                centres[centre] = self._laid_beside(centre, group - {centre})
                group -= {centre, *centres[centre]}
        self._join(centres)
        self._compare(key for key in self._related if not _has_common(key, centres))
        known = self._known()
        self.merges.update(self._take_apart(find_suspects(related_pairs(known, folded(models, known)))))
        for _ in range(ROUNDS):
            if not self._compare(self._undecided(models)):
                break
        return self._known()

    def _compare(self, keys: Iterable[Key]) -> int:
        """Compare what was not; returns how many pairs that were."""
        new = {frozenset(key): key for key in keys if frozenset(key) not in self._examined}
        found = self._examine(list(new.values()))
        for key in new.values():
            pair = found[key].pair if key in found else Pair(a=key[0], b=key[1], relation=Relation.INCONCLUSIVE)
            self._examined[frozenset(key)] = pair
        return len(new)

    def _centre(self, group: Collection[str]) -> str:
        """The middle of a group, as fingerprints tell it."""
        inside = {frozenset(key): pair for key, pair in self._related.items() if {*key} <= {*group}}
        return next(iter(centres_of(inside)), min(group))

    def _laid_beside(self, centre: str, others: Collection[str]) -> set[str]:
        """Compare all with the centre; returns those that are related to it."""
        keys = [(centre, other) for other in sorted(others)]
        found = self._examine(keys)
        members: set[str] = set()
        portraits: dict[str, Portrait] = {}
        for key in keys:
            pair = found[key].pair if key in found else Pair(a=key[0], b=key[1], relation=Relation.INCONCLUSIVE)
            self._examined[frozenset(key)] = pair
            if pair.is_shared:
                members.add(key[1])
                values = found[key].values
                if values is not None and len(portraits) < MOST_PORTRAYED:
                    portraits[key[1]] = values[1]
        shapes = {change.a: change.shape for key in keys for change in self._examined[frozenset(key)].changes}
        own = {other: self._examined[frozenset((centre, other))].alone[1] for other in portraits}
        for a, b in combinations(sorted(portraits), 2):
            pair = portrayed_pair(a, b, (portraits[a], portraits[b]), shapes)
            alone = pair.alone[0] + own[a], pair.alone[1] + own[b]
            self._portrayed[frozenset((a, b))] = replace(pair, alone=alone)
        searched = sorted(members - portraits.keys())
        plain = sorted(portraits)
        self._compare(
            (near, each)
            for each in searched
            for near in (*self._as_far(centre, each, portraits), *self._near_by_fingerprint(each, searched))
        )
        self._compare((other, each) for each in searched for other in self._of_the_rest(centre, each, plain))
        return members

    def _of_the_rest(self, centre: str, model: str, others: Collection[str]) -> list[str]:
        """The likeliest source of what the nearest relative does not explain, where that is a part of the model."""
        into = [
            pair if pair.b == model else pair.turned() for pair in self._examined.values() if model in (pair.a, pair.b)
        ]
        near = min((pair for pair in into if pair.changes), key=lambda pair: lengths(pair)[0], default=None)
        if near is None:
            return []
        rest = {change.b for change in near.changes if change.forth.moved}
        size = sum(change.size for change in near.changes if change.b in rest)
        if not LEAST_PART <= size / sum(change.size for change in near.changes) <= 1.0 - LEAST_PART:
            return []
        beside = self._examined[frozenset((centre, model))]
        part = profile_of(replace(beside, changes=tuple(each for each in beside.changes if each.b in rest)))
        bounds = {
            other: least_between(part, profile_of(self._examined[frozenset((centre, other))]))
            for other in others
            if other != near.a
        }
        return sorted(bounds, key=lambda other: (bounds[other], other))[:1]

    def _as_far(self, centre: str, model: str, others: Collection[str]) -> list[str]:
        """Models that may be nearer to `model` than the centre is, the likeliest first."""
        profile = profile_of(self._examined[frozenset((centre, model))])
        least = least_between(profile, {})
        bounds = {
            other: least_between(profile, profile_of(self._examined[frozenset((centre, other))]))
            for other in sorted(others)
        }
        closer = [other for other in bounds if bounds[other] < least]
        return sorted(closer, key=lambda other: (bounds[other], other))[:NEAREST]

    def _near_by_fingerprint(self, model: str, others: Collection[str]) -> list[str]:
        found = {
            other: sum(lengths(pair))
            for other in others
            if other != model and (pair := self._related.get(_ordered(model, other))) is not None
        }
        return sorted(found, key=lambda other: (found[other], other))[:NEAREST]

    def _join(self, centres: dict[str, set[str]]) -> None:
        """Lay what stands alone beside the centres that it may come from: a disguise hides it from fingerprints.

        Everything takes its likeliest centre first, the one with most members, then the next.
        """
        order = sorted(centres, key=lambda name: (-len(centres[name]), name))
        alone = {name: iter(self._hidden_behind(name, order)) for name in order if not centres[name]}
        while alone:
            asked = {name: centre for name, others in alone.items() if (centre := next(others, None)) is not None}
            self._compare((centre, name) for name, centre in asked.items())
            found = {name: each for name, each in asked.items() if self._examined[frozenset((each, name))].is_shared}
            for name, near in sorted(found.items()):
                # What it was laid beside may have joined another centre just now.
                home = next(each for each, members in centres.items() if near == each or near in members)
                if home != name:
                    centres[home] |= {name, *centres.pop(name, set())}
            alone = {name: alone[name] for name in asked.keys() - found.keys()}
            plain = {each for key in self._portrayed for each in key}
            self._compare(
                (near, name)
                for name, centre in sorted(found.items())
                for near in self._as_far(centre, name, (centres.get(centre, set()) & plain) - {name})
            )

    def _hidden_behind(self, alone: str, centres: Sequence[str]) -> Iterator[str]:
        """Of two that stand alone, the later one in the order is laid beside the other."""
        for centre in centres[: centres.index(alone)]:
            if self._doubtful(centre, alone):
                yield centre

    def _undecided(self, models: Collection[str]) -> list[Key]:
        """Pairs that a lineage would draw, or that are as near, and that were only measured, on no copy either."""
        known = self._known()
        drawn = {frozenset((edge.a, edge.b)) for edge in reconstruct(models, known, self.merges).edges}
        plain = [replace(pair, kinds=(), rank=None, alone=(0, 0)) for pair in known if pair.is_shared]
        least: dict[str, float] = defaultdict(lambda: math.inf)
        for pair in plain:
            forth, back = lengths(pair)
            least[pair.b], least[pair.a] = min(least[pair.b], forth), min(least[pair.a], back)
        for pair in plain:
            forth, back = lengths(pair)
            if forth <= AS_NEAR * least[pair.b] or back <= AS_NEAR * least[pair.a]:
                drawn.add(frozenset((pair.a, pair.b)))
        names = folded(models, known)
        done = {frozenset(names[name] for name in key) for key in self._examined}
        return [
            (pair.a, pair.b)
            for key, pair in self._portrayed.items()
            if key in drawn and key not in self._examined and frozenset(names[name] for name in key) not in done
        ]

    def _known(self) -> list[Pair]:
        return [*self._examined.values(), *(self._portrayed[key] for key in self._portrayed.keys() - self._examined)]


def _has_common(key: Key, centres: Mapping[str, set[str]]) -> bool:
    return any({*key} <= {centre, *members} for centre, members in centres.items())


def _ordered(a: str, b: str) -> Key:
    return (a, b) if a < b else (b, a)
