"""A sample of many items, spread over their strata, that is the same wherever it is drawn."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def stratified(
    items: Sequence[T], stratum: Callable[[T], str], count: int, label: str, *, name: Callable[[T], str] = str
) -> list[T]:
    """Up to `count` items, as equally many of each stratum as there are.

    One item of each stratum in turn, strata in sorted order; inside a stratum by the SHA-256 of `label` and the item's
    `name`. The order of `items` does not matter, names being unique, and a smaller sample is the start of a larger one.
    """
    strata: defaultdict[str, list[T]] = defaultdict(list)
    for item in sorted(items, key=lambda item: hashlib.sha256(f"{label}\n{name(item)}".encode()).digest()):
        strata[stratum(item)].append(item)
    turns = [(turn, key, item) for key, kept in strata.items() for turn, item in enumerate(kept)]
    return [item for _, _, item in sorted(turns, key=lambda each: each[:2])[:count]]
