"""What a format has to offer to be read: one `Reader`, and what it says about a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from fingerprints.checkpoint import Finding
from fingerprints.readers.row_tensor import RowTensor
from fingerprints.readers.source import SourceFile

MAX_RANK = 8
"""Axes that a tensor may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContents:
    """What one file holds, known without reading tensor data.

    `containers` are the sets of weights in the file by label, the one to use first; most files have one, labelled with
    the empty string. `sources` are further files that tensors are read from.
    """

    format: str
    containers: Mapping[str, Mapping[str, RowTensor]]
    metadata: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    sources: tuple[SourceFile, ...] = ()


class Reader(Protocol):
    """One format. A reader keeps no state and only describes tensors; it never reads their data."""

    @property
    def format(self) -> str:
        """Name of the format, such as `safetensors`."""
        ...

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Suffixes of file names, with the dot, that files of the format go by."""
        ...

    @property
    def by_suffix(self) -> bool:
        """Whether the content does not always tell the format, so that the suffix may."""
        ...

    @property
    def readable(self) -> bool:
        """False for a format that is recognised only, so that it can be named."""
        ...

    def recognises(self, name: str, head: bytes) -> bool:
        """Whether a file of this name that begins with `head` (512 bytes, if it has them) is of the format."""
        ...

    def read(self, source: SourceFile, shard: str) -> FileContents:
        """Describe the tensors of a file; `shard` is its name in the checkpoint.

        Raises
        ------
        CheckpointError
            When the file cannot be used.
        """
        ...
