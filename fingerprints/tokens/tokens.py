"""The tokens of a checkpoint by id, each as the bytes of text that it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fingerprints.errors import CorruptCheckpoint, LimitExceeded
from fingerprints.readers.quoting import quoted

MOST_IDS: Final = 1 << 22
"""Ids of the largest vocabulary that is believed; published ones have up to half a million."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tokens:
    """Tokens by id. A claim of the files beside the weights, which the weights may contradict.

    Attributes
    ----------
    texts : tuple of bytes or None
        What the token of each id stands for; None where no token has the id.
    source : str
        The file that says so.
    """

    texts: tuple[bytes | None, ...]
    source: str

    @property
    def ids(self) -> Mapping[bytes, int]:
        """The id of each text; of several, the first."""
        found: dict[bytes, int] = {}
        for place, text in enumerate(self.texts):
            if text is not None:
                found.setdefault(text, place)
        return found

    def named(self, rows: int) -> int:
        """How many of the leading `rows` ids have a token."""
        return sum(text is not None for text in self.texts[:rows])


def by_id(texts: Mapping[int, bytes], *, path: Path, hint: str) -> Tokens:
    """The tokens that a file lists.

    Parameters
    ----------
    texts : mapping
        Text of each id, which must lie between 0 and `MOST_IDS`; at least one.
    path, hint
        The file, and what to do if it is wrong.

    Raises
    ------
    CorruptCheckpoint
        When there is no token.
    LimitExceeded
        When an id lies elsewhere.
    """
    if not texts:
        raise CorruptCheckpoint(f"{quoted(str(path))} lists no tokens", path=path, hint=hint)
    for end in (min(texts), max(texts)):
        if not 0 <= end < MOST_IDS:
            raise LimitExceeded(
                f"{quoted(str(path))} gives a token the id {end}; ids go from 0 to {MOST_IDS - 1}",
                path=path,
                hint=hint,
                limit=MOST_IDS,
                actual=end,
            )
    listed: list[bytes | None] = [None] * (max(texts) + 1)
    for place, text in texts.items():
        listed[place] = text
    return Tokens(texts=tuple(listed), source=path.name)
