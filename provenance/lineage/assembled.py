"""Models that were put together from parts of several others: towers, layers, experts, each exactly as it was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Final

from provenance.lineage.pair import Pair
from provenance.result import Direction

ASSEMBLED: Final = frozenset({"component_reuse", "moe_upcycled", "depth_upscaled"})
"""Kinds that say themselves that parts were taken over."""
LEAST_PART: Final = 0.05
"""Of a model's values, what a parent must add that no other has."""
EXPLAINED: Final = 0.9
"""Of a model's values, what all parents together must have."""
UNRELATED: Final = 0.5
"""Squared relative change from which a part was not trained from its counterpart."""

_Key = frozenset[str]


def find_assembled(known: Mapping[_Key, Pair], merges: Collection[str]) -> Mapping[str, _Key]:
    """Models that consist of parts of others, and those others.

    Parameters
    ----------
    known : mapping
        Pairs by both names.
    merges : collection of str
        Models whose parents are known already.
    """
    into: defaultdict[str, list[Pair]] = defaultdict(list)
    for pair in known.values():
        if pair.changes and pair.kinds:
            into[pair.b].append(pair)
            into[pair.a].append(pair.turned())
    found: dict[str, _Key] = {}
    for child in sorted(into.keys() - {*merges}):
        parts = _parts([pair for pair in into[child] if pair.a not in merges and _may_be_part(pair)])
        if len(parts) > 1:
            found[child] = frozenset(parts)
    return found


def _parts(pairs: list[Pair]) -> list[str]:
    """Parents that hold nearly all of B exactly, each a part that the others have not; fewer than two where none do."""
    sizes = {pair.a: {change.b: change.size for change in pair.changes if not change.forth.moved} for pair in pairs}
    total = max((sum(each.size for each in pair.changes) + pair.alone[1] for pair in pairs), default=0)
    explained: set[str] = set()
    held, chosen = 0, []
    beyond = {pair.a: (pair.transforms, pair.alone[0]) for pair in pairs}
    while total and held < EXPLAINED * total:
        gains = {
            name: sum(size for tensor, size in own.items() if tensor not in explained) for name, own in sizes.items()
        }
        best = min(gains, key=lambda name: (-gains[name], beyond[name], name), default=None)
        if best is None or gains[best] < LEAST_PART * total:
            return []
        chosen.append(best)
        held += gains[best]
        explained |= sizes[best].keys()
    return chosen


def _may_be_part(pair: Pair) -> bool:
    """Whether B may have taken A's tensors, and was not just what A was trained from in part: what differs is of
    another origin, or a change of structure says which of the two was there first.
    """
    if pair.direction is Direction.B_TO_A:
        return False
    differing = [change for change in pair.changes if change.forth.moved]
    size = sum(change.size for change in differing)
    near = sum(change.size for change in differing if change.squared < UNRELATED * change.level)
    return pair.direction is Direction.A_TO_B or 2 * near <= size
