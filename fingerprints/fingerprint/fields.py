"""Values of a header that nobody vouches for, each checked as it is taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fingerprints.errors import CorruptCheckpoint
from fingerprints.readers.quoting import quoted
from fingerprints.readers.reader import MAX_RANK
from fingerprints.sampling import Ints

LARGEST = 1 << 62


class Fields:
    """A mapping or a list of a parsed header; every accessor raises `CorruptCheckpoint` where the value is another."""

    def __init__(self, values: Mapping[str, Any] | Sequence[Any], *, path: Path, hint: str) -> None:
        self._values = values
        self._path = path
        self._hint = hint

    def __len__(self) -> int:
        return len(self._values)

    def fault(self, what: str) -> CorruptCheckpoint:
        """The error that says what is wrong with the header."""
        return CorruptCheckpoint(
            f"the header of {quoted(str(self._path))} makes no sense: {what}", path=self._path, hint=self._hint
        )

    def _at(self, key: Any, kind: type | tuple[type, ...]) -> Any:
        try:
            value = self._values[key]
        except (KeyError, IndexError):
            raise self.fault(f"{key!r} is missing") from None
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.fault(f"{key!r} is a {type(value).__name__}")
        return value

    def text(self, key: Any) -> str:
        """A string."""
        return str(self._at(key, str))

    def flag(self, key: Any) -> bool:
        """True or False."""
        return bool(self._at(key, bool))

    def number(self, key: Any) -> float:
        """A number of any size."""
        return float(self._at(key, (int, float)))

    def whole_number(self, key: Any, end: int) -> int:
        """A whole number from 0 to `end - 1`."""
        value = self._at(key, int)
        if not 0 <= value < end:
            raise self.fault(f"{key!r} is {value}, and has to lie between 0 and {end - 1}")
        return int(value)

    def optional(self, key: Any) -> int | None:
        """A whole number or null."""
        return None if self._at(key, (int, type(None))) is None else self.whole_number(key, LARGEST)

    def inner(self, key: Any, length: int) -> Fields:
        """A list of `length` items."""
        value = self._at(key, list)
        if len(value) != length:
            raise self.fault(f"{key!r} has {len(value)} items, not {length}")
        return Fields(value, path=self._path, hint=self._hint)

    def rows(self, key: str, length: int, *, most: int | None = None) -> Iterator[Fields]:
        """A list of lists of `length` to `most` items."""
        for row in self._at(key, list):
            if not isinstance(row, list) or not length <= len(row) <= (most or length):
                raise self.fault(f"a row of {key!r} does not have {length} items")
            yield Fields(row, path=self._path, hint=self._hint)

    def shape(self, key: Any) -> tuple[int, ...]:
        """Lengths of the axes of a tensor."""
        value = self._at(key, list)
        fitting = len(value) <= MAX_RANK and all(type(n) is int and 0 <= n < LARGEST for n in value)
        if not fitting or np.prod(value, dtype=object) >= LARGEST:
            raise self.fault(f"{str(value)[:80]} is no shape")
        return tuple(value)

    def positions(self, key: Any, most: int) -> Ints:
        """Ascending positions from runs, `most` of them at most."""
        runs = self._at(key, list)
        found: list[Ints] = []
        count = end = 0
        for run in runs:
            if not (isinstance(run, list) and len(run) == 2 and all(type(n) is int for n in run)):
                raise self.fault("a run of positions is no pair of numbers")
            first, last = run
            if not end <= first < last < LARGEST or count + last - first > most:
                raise self.fault(f"{first} to {last} is no run of positions")
            found.append(np.arange(first, last, dtype=np.int64))
            count, end = count + last - first, last
        return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)

    def texts(self, key: str, known: set[str]) -> dict[str, str]:
        """A mapping of tensors to strings."""
        value = self._at(key, dict)
        if not all(name in known and isinstance(text, str) for name, text in value.items()):
            raise self.fault(f"{key!r} is no mapping of tensors to text")
        return dict(value)

    def claims(self) -> dict[str, Any]:
        """Plain claims; anything nested is left out."""
        value = self._at("claims", dict)
        return {
            name: each for name, each in value.items() if each is None or isinstance(each, str | bool | int | float)
        }
