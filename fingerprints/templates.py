"""Tensor names with their numbers taken out: `model.layers.3.mlp.up_proj.weight` is
`model.layers.{i}.mlp.up_proj.weight` at index (3,).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

SLOT = "{i}"
_NUMBERED = re.compile(r"(?P<word>[A-Za-z]{2,}[_-]?|[A-Za-z]_)(?P<number>\d+)")
_FEWEST_SIBLINGS = 5

Index = tuple[int, ...]


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key under which `layer.10` follows `layer.9`."""
    return [(0, int(t), "") if t.isdigit() else (1, 0, t) for t in re.split(r"(\d+)", name) if t]


def _plain(name: str) -> tuple[tuple[str, ...], Index]:
    """Components with purely numeric ones replaced by a slot."""
    parts = name.split(".")
    numbers = tuple(int(part) for part in parts if part.isascii() and part.isdigit() and len(part) < 10)
    return tuple(SLOT if part.isascii() and part.isdigit() and len(part) < 10 else part for part in parts), numbers


def templates(names: Iterable[str]) -> dict[str, tuple[str, Index]]:
    """Template and index of each name.

    A component is a slot when it is a number, or when it is a word ending in a number (`layer_12`, `block12`) of
    which at least five consecutive ones occur at the same place; so `ln1`, `fc2` or `conv3` stay names.

    Parameters
    ----------
    names : iterable of str
        All names of one checkpoint.

    Returns
    -------
    dict
        Name to (template, index), the index left to right.
    """
    names = list(names)
    plain = {name: _plain(name) for name in names}
    families: dict[tuple[tuple[str, ...], int, str], set[int]] = defaultdict(set)
    for parts, _ in plain.values():
        for place, part in enumerate(parts):
            if found := _NUMBERED.fullmatch(part):
                families[(parts[:place], place, found["word"])].add(int(found["number"]))
    stacks = {key for key, seen in families.items() if _is_stack(seen)}
    result: dict[str, tuple[str, Index]] = {}
    for name in names:
        original = name.split(".")
        parts, _ = plain[name]
        index: list[int] = []
        shown: list[str] = []
        for place, part in enumerate(parts):
            found = _NUMBERED.fullmatch(part)
            if part == SLOT and original[place] != SLOT:
                index.append(int(original[place]))
                shown.append(SLOT)
            elif found and (parts[:place], place, found["word"]) in stacks:
                index.append(int(found["number"]))
                shown.append(found["word"] + SLOT)
            else:
                shown.append(part)
        result[name] = (".".join(shown), tuple(index))
    return result


def _is_stack(seen: set[int]) -> bool:
    """Whether numbers look like layers: at least five of them, consecutive (`fc1`…`fc3` are names, not layers)."""
    return len(seen) >= _FEWEST_SIBLINGS and max(seen) - min(seen) == len(seen) - 1


def fill(template: str, index: Index) -> str:
    """The name that a template stands for at an index; the inverse of `templates`."""
    numbers = iter(index)
    return re.sub(re.escape(SLOT), lambda _: str(next(numbers, SLOT)), template)
