"""One set of weights in a folder, before any of its files is read: its name, and its place in the precedence."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from fingerprints.errors import CheckpointError, UnsupportedFormat
from fingerprints.readers.shard_index import ShardIndex

CANONICAL: Final = ("model", "pytorch_model", "diffusion_pytorch_model", "open_clip_model", "open_clip_pytorch_model")
"""Stems of files that hold the weights of the folder they lie in."""
STEP: Final = re.compile(r"^(?:checkpoint-|iter_)(\d{1,12})$")
"""Sub-folders with the state after so many steps of training."""
TORCH_SUFFIXES: Final = (".bin", ".pt", ".pth", ".ckpt")
CONVERTED_RANK: Final = 5
"""Of weights in a format that they were converted to, beside those that they were trained in."""
ADAPTER_RANK: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSet:
    """A set of weights in `folder`, before any of its files is read.

    `rank` is its place in the order of precedence; `fault` the error that opening it would raise, if that is known;
    `notes` what is odd about it.
    """

    name: str
    folder: Path
    format: str
    files: tuple[str, ...]
    nbytes: int
    rank: int
    index: ShardIndex | None = None
    fault: CheckpointError | None = None
    notes: tuple[str, ...] = ()
    inside: bool = False
    """Whether it is a sub-folder, a checkpoint of its own."""
    trusted: bool = False
    """Whether the user named the file, which may then be a link to anywhere."""
    index_name: str = ""

    @property
    def is_apart(self) -> bool:
        """Whether it is not meant to hold the same weights as the others."""
        return self.inside or self.rank == ADAPTER_RANK

    @property
    def is_unsupported(self) -> bool:
        """Whether it is recognised, and of a format that is not read."""
        return isinstance(self.fault, UnsupportedFormat)


def is_plain_sub_folder(known: FoundSet) -> bool:
    """Whether it is a sub-folder that is not a step of training, such as the parts of a pipeline."""
    return known.inside and STEP.match(known.name) is None


def set_name(stem: str, name: str) -> str:
    """Return what a set is called: its file name if that is the usual one, else the stem."""
    if stem.startswith("consolidated"):
        return "consolidated"
    return name if stem in CANONICAL else stem


def rank_of(name: str) -> int:
    """Return the place of a file, or of the file that shards would make up, in the order of precedence."""
    stem, _, suffix = name.rpartition(".")
    safe = suffix == "safetensors"
    if stem in CANONICAL:
        return 0 if safe else 1 if f".{suffix}" in TORCH_SUFFIXES else CONVERTED_RANK
    if stem.startswith("consolidated"):
        return 2
    if stem.startswith("adapter"):
        return ADAPTER_RANK
    if stem.partition(".")[0] in CANONICAL:
        return 5
    return 3 if safe else 4


def order_of(name: str) -> tuple[int, str]:
    """Order by name, but the steps of training from the last to the first."""
    match = STEP.match(name)
    return (-int(match[1]) if match else 0, name)


def uniquely_named(found: list[FoundSet]) -> list[FoundSet]:
    """Name sets by their first file where the shorter name is taken."""
    seen: set[str] = set()
    named: list[FoundSet] = []
    for known in sorted(found, key=lambda known: (known.rank, known.files)):
        name = known.name
        if name in seen:
            name = known.files[0] if known.files else f"{name} ({known.format})"
        while name in seen:
            name += "'"
        seen.add(name)
        named.append(replace(known, name=name))
    return named
