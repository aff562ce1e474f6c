"""Name prefixes that replace one another, such as `bert.` and nothing: at least a module's name is left in common."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

from fingerprints.anatomy import Part
from fingerprints.templates import Index

MOST_PREFIXES = 32

Places = Mapping[str, Mapping[Index, Part]]
"""Parts by template and numbers."""


def best_prefix(ours: Places, theirs: Places, fits: Callable[[Part, Part], bool]) -> tuple[str, str] | None:
    """The replacement of a prefix by another that pairs most tensors.

    Parameters
    ----------
    ours, theirs : mapping
        What is left of either side.
    fits : callable
        Whether two parts can be counterparts.

    Returns
    -------
    (str, str) or None
        None where there is none, or where one of the two has another partner with as many.
    """
    votes = _votes(ours, theirs, fits)
    most = max(votes.values(), default=0)
    best = [replacement for replacement, count in votes.items() if count == most]
    olds, news = Counter(old for old, _ in best), Counter(new for _, new in best)
    clear = [(old, new) for old, new in best if olds[old] == news[new] == 1]
    return min(clear, key=lambda item: (len(item[0]) + len(item[1]), item), default=None)


def _votes(ours: Places, theirs: Places, fits: Callable[[Part, Part], bool]) -> dict[tuple[str, str], int]:
    """Tensors that each replacement would pair; at least a module's name must be left in common."""
    endings: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for template in theirs:
        endings[tuple(template.split(".")[-2:])].append(template)
    votes: dict[tuple[str, str], int] = defaultdict(int)
    for template, parts in ours.items():
        split = template.split(".")
        for other in endings.get(tuple(split[-2:]), ()):
            others = other.split(".")
            shared = _common_ending(split, others)
            if shared < 2 and len(split) > 1:
                continue
            fitting = sum(index in parts and fits(parts[index], part) for index, part in theirs[other].items())
            if fitting:
                old, new = ".".join(split[:-shared]), ".".join(others[:-shared])
                votes[old + "." if old else "", new + "." if new else ""] += fitting
    return votes


def _common_ending(a: Sequence[str], b: Sequence[str]) -> int:
    """Number of equal components at the end."""
    count = 0
    for x, y in zip(reversed(a), reversed(b), strict=False):
        if x != y:
            break
        count += 1
    return count
