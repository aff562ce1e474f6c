"""Tensor names with their numbers taken out: `model.layers.3.mlp.up_proj.weight` is
`model.layers.{i}.mlp.up_proj.weight` at index (3,).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

SLOT = "{i}"
_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")
"""Padded numbers (`007`) are names: no two names may share a template and an index."""
_NUMBERED = re.compile(rf"(?P<word>[A-Za-z]{{2,}}[_-]?|[A-Za-z]_)(?P<number>{_NUMBER.pattern})")
_FEWEST_SIBLINGS = 5

Index = tuple[int, ...]


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key under which `layer.10` follows `layer.9`."""
    pieces = [piece for piece in re.split(r"([0-9]+)", name) if piece]
    values = [piece.lstrip("0") if piece[0] in "0123456789" else None for piece in pieces]
    return [(1, 0, p) if v is None else (0, len(v), v) for p, v in zip(pieces, values, strict=True)]


def _plain(name: str) -> tuple[str, ...]:
    """Components with purely numeric ones replaced by a slot."""
    return tuple(SLOT if _NUMBER.fullmatch(part) else part for part in name.split("."))


def templates(names: Iterable[str]) -> dict[str, tuple[str, Index]]:
    """Template and index of each name.

    A component is a slot when it is a number, or when it is a word ending in a number (`layer_12`, `block12`) of
    which at least five consecutive ones occur at the same place; so `ln1`, `fc2` or `conv3` stay names. A name that
    holds `{i}` itself has no slots.

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
    plain = {name: _plain(name) for name in names if SLOT not in name}
    families: dict[tuple[tuple[str, ...], int, str], set[int]] = defaultdict(set)
    for parts in plain.values():
        for place, part in enumerate(parts):
            if found := _NUMBERED.fullmatch(part):
                families[(parts[:place], place, found["word"])].add(int(found["number"]))
    stacks = {key for key, seen in families.items() if _is_stack(seen)}
    result: dict[str, tuple[str, Index]] = {}
    for name in names:
        if name not in plain:
            result[name] = name, ()
            continue
        original = name.split(".")
        parts = plain[name]
        index: list[int] = []
        shown: list[str] = []
        for place, part in enumerate(parts):
            found = _NUMBERED.fullmatch(part)
            if part == SLOT:
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
