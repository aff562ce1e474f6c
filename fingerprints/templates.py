"""Tensor names with their numbers taken out: `model.layers.3.mlp.up_proj.weight` is
`model.layers.{i}.mlp.up_proj.weight` at index (3,).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

SLOT = "{i}"
_SLOTS = re.compile(r"\{i(?::0([1-9]))?\}")
_NUMBER = re.compile(r"[0-9]{1,9}")
_NUMBERED = re.compile(r"(?P<word>[A-Za-z][A-Za-z_-]*|)(?P<number>[0-9]{1,9})")
_GLUED = re.compile(r"((?<=[A-Za-z])|[_-]+)(?=\{i)")
_FEWEST_SIBLINGS = 5

Index = tuple[int, ...]


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key under which `layer.10` follows `layer.9`."""
    pieces = [piece for piece in re.split(r"([0-9]+)", name) if piece]
    values = [piece.lstrip("0") if piece[0] in "0123456789" else None for piece in pieces]
    return [(1, 0, p) if v is None else (0, len(v), v) for p, v in zip(pieces, values, strict=True)]


def slots(template: str) -> list[str]:
    """The slots of a template, left to right: `{i}`, or `{i:03}` where numbers are padded to three digits."""
    return [found[0] for found in _SLOTS.finditer(template)]


def pieces(template: str) -> list[str]:
    """What stands before, between and behind the slots."""
    return _SLOTS.sub(SLOT, template).split(SLOT)


def templates(names: Iterable[str]) -> dict[str, tuple[str, Index]]:
    """Template and index of each name.

    A component is a slot when it is a number, unless it is the whole name, or when it is a word ending in a number
    (`layer_12`, `block12`) of which at least five consecutive ones occur at the same place, the last place excepted; so
    `ln1`, `fc2` or `conv3` stay names. So do single letters (`h12`) that have one thing inside, and leading numbers
    of which no two have the same inside (`0.auto_model`, `2.linear`). Padded numbers are slots of their own kind
    (`{i:03}`) where all at one place have as many digits. A name that holds a slot itself has none.

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
    split = {name: tuple(name.split(".")) for name in names if not _SLOTS.search(name)}
    families: dict[_Family, _Siblings] = defaultdict(_Siblings)
    for parts in split.values():
        for family, number in _numbered(parts):
            families[family].add(number, parts[len(family[0]) + 1 :])
    kinds = {family: found.slot(*family) for family, found in families.items()}
    result: dict[str, tuple[str, Index]] = {}
    for name in names:
        shown, index = list(split.get(name, (name,))), []
        for family, number in _numbered(split.get(name, ())):
            slot = kinds[family]
            if slot and (slot != SLOT or str(int(number)) == number):
                shown[len(family[0])] = family[1] + slot
                index.append(int(number))
        result[name] = ".".join(shown), tuple(index)
    return result


_Family = tuple[tuple[str, ...], str]
"""What stands before a number: components, numbers among them as slots, and the word that it is glued to."""


def _numbered(parts: tuple[str, ...]) -> Iterator[tuple[_Family, str]]:
    """Components that may be slots: numbers, and words ending in one that are not last."""
    plain = tuple(SLOT if _NUMBER.fullmatch(part) else part for part in parts)
    for place, part in enumerate(parts if len(parts) > 1 else ()):
        found = _NUMBERED.fullmatch(part)
        if found and (not found["word"] or place < len(parts) - 1):
            yield (plain[:place], found["word"]), found["number"]


class _Siblings:
    """The numbers found at one place, and what follows them."""

    def __init__(self) -> None:
        self._numbers: set[str] = set()
        self._inside: set[tuple[str, ...]] = set()
        self._names: set[tuple[str, tuple[str, ...]]] = set()

    def add(self, number: str, inside: tuple[str, ...]) -> None:
        self._numbers.add(number)
        self._inside.add(inside)
        self._names.add((number, inside))

    def slot(self, before: tuple[str, ...], word: str) -> str:
        """The slot that stands for the numbers; "" where they are part of the name."""
        if not before and not word and len(self._names) == len(self._inside):
            return ""
        padded = any(number[0] == "0" and len(number) > 1 for number in self._numbers)
        widths = {len(number) for number in self._numbers}
        kept = self._numbers if padded and len(widths) == 1 else {n for n in self._numbers if str(int(n)) == n}
        if word and not (_is_stack({int(number) for number in kept}) and (len(word) > 1 or len(self._inside) > 1)):
            return ""
        return f"{{i:0{widths.pop()}}}" if padded and len(widths) == 1 else SLOT


def _is_stack(seen: set[int]) -> bool:
    """Whether numbers look like layers: at least five of them, consecutive (`fc1`…`fc3` are names, not layers)."""
    return len(seen) >= _FEWEST_SIBLINGS and max(seen) - min(seen) == len(seen) - 1


def fill(template: str, index: Index) -> str:
    """The name that a template stands for at an index; the inverse of `templates`."""
    numbers = iter(index)

    def number(slot: re.Match[str]) -> str:
        value = next(numbers, None)
        return slot[0] if value is None else f"{value:0{slot[1] or 1}}"

    return _SLOTS.sub(number, template)


def spelt_out(template: str, index: Index) -> str:
    """The name with every number that has a slot as a component of its own: `layer_07.ln` is `layer.7.ln`."""
    return fill(_SLOTS.sub(SLOT, _GLUED.sub(".", template)), index)
