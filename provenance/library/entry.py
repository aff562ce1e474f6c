"""One model of a library."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Weights that a library knows, under all their names.

    Attributes
    ----------
    content : str
        Digest of the fingerprint: what entries are known by.
    names : tuple of str
        What the weights go by, the first name first.
    family, licence, revision : str
        As given when it was added, or claimed by its metadata; empty where nothing was.
    parents : tuple of str
        Names of the models that it is known to come from.
    sources : tuple of str
        Where the weights lay, one for each name; "" where only a fingerprint was there.
    tensors, parameters : int
        What it holds.
    nbytes : int
        Size of its fingerprint file.
    """

    content: str
    names: tuple[str, ...]
    family: str = ""
    licence: str = ""
    revision: str = ""
    parents: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    tensors: int = 0
    parameters: int = 0
    nbytes: int = 0
    schema_version: int = 1

    @property
    def name(self) -> str:
        """Its first name."""
        return self.names[0] if self.names else self.content

    @property
    def place(self) -> str | None:
        """Where its weights are at hand now; None where they are nowhere."""
        return next((source for source in self.sources if source and Path(source).exists()), None)
