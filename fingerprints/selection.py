"""Which counterparts are looked at: every one of a small pair, an even spread of layers and experts of a deep one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from fingerprints.axes import AxisPlan
from fingerprints.pairing import Pair
from fingerprints.sampling import spread

MOST_VECTORS = 2048
EXPERTS = 2
NOT_SAMPLED = "its layer is not in the sample"


def select(
    pairs: Sequence[Pair], plans: Mapping[str, AxisPlan], layers: int | None, vectors: int = MOST_VECTORS
) -> tuple[list[Pair], list[tuple[Pair, str]]]:
    """Choose the pairs to read.

    Parameters
    ----------
    pairs : sequence of Pair
        All counterparts, in order.
    plans : mapping
        Plans of matrices by name in A; vectors have none.
    layers : int or None
        Layers of each stack to take; None for all.
    vectors : int
        Vectors of each stack to take.

    Returns
    -------
    selected, left_out
        Both in the given order; what is left out has a reason.
    """
    if layers is None:
        return list(pairs), []
    stacks: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        stacks[pair.a.template].append(pair)
    keep: set[str] = set()
    for stack in stacks.values():
        limit = layers if stack[0].a.name in plans else vectors
        keep |= {pair.a.name for pair in _thinned(stack, limit)}
    selected = [pair for pair in pairs if pair.a.name in keep]
    return selected, [(pair, NOT_SAMPLED) for pair in pairs if pair.a.name not in keep]


def _thinned(stack: Sequence[Pair], layers: int) -> list[Pair]:
    """An even spread over the first number of the index, and over the rest (experts) inside each."""
    by_first: dict[int, list[Pair]] = defaultdict(list)
    for pair in stack:
        by_first[pair.a.index[0] if pair.a.index else 0].append(pair)
    firsts = sorted(by_first)
    kept: list[Pair] = []
    for place in spread(len(firsts), layers):
        inner = sorted(by_first[firsts[place]], key=lambda pair: pair.a.index)
        kept += [inner[i] for i in spread(len(inner), max(EXPERTS, layers // max(len(firsts), 1)))]
    return kept
