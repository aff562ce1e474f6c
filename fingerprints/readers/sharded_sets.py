"""Sets of weights that are spread over several files of a folder."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from fingerprints.errors import CheckpointError, CorruptCheckpoint, UnsupportedFormat
from fingerprints.readers.containment import require_inside
from fingerprints.readers.found_set import FoundSet, rank_of, set_name
from fingerprints.readers.quoting import listed, quoted
from fingerprints.readers.recognition import find_reader
from fingerprints.readers.shard_index import read_index
from fingerprints.readers.source import SourceFile

INDEX: Final = re.compile(r"^(?P<stem>.+)(?P<suffix>\.safetensors|\.bin)\.index(?P<variant>\.[\w-]+)?\.json$")
"""Names of index files."""
SLICE: Final = re.compile(r"^consolidated\.\d{2}\.pth$")
"""Names of tensor-parallel slices."""
SHARD: Final = re.compile(r"^(?P<stem>.+?)[-_](?P<at>\d{5,6})-of-(?P<total>\d{5,6})(?P<suffix>\.\w{2,12})$")
"""Names of shards."""


def shard_groups(names: Mapping[str, int]) -> dict[tuple[str, str], list[str]]:
    """Return the names of shards, by stem and suffix."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in names:
        if match := SHARD.match(name):
            groups[match["stem"], match["suffix"]].append(name)
    return groups


def indexed_set(
    folder: Path, match: re.Match[str], files: Mapping[str, int], groups: Mapping[tuple[str, str], list[str]]
) -> FoundSet:
    """Describe the set that an index file names."""
    stem, suffix, variant = match["stem"], match["suffix"], match["variant"] or ""
    shell = FoundSet(
        name=set_name(f"{stem}{variant}", f"{stem}{variant}{suffix}"),
        folder=folder,
        format="safetensors" if suffix == ".safetensors" else "pytorch",
        files=(),
        nbytes=0,
        index_name=match.string,
        rank=rank_of(f"{stem}{variant}{suffix}"),
    )
    members = groups.get((stem, suffix), [])
    try:
        index = read_index(folder, match.string)
    except CheckpointError as error:
        whole = numbered_set(folder, stem, suffix, members, files) if members else None
        unparsed = error.path == folder / match.string and error.limit is None
        if whole is None or whole.fault is not None or not unparsed:
            size = sum(files[member] for member in members)
            return replace(shell, files=tuple(members), nbytes=size, fault=error)
        return replace(whole, notes=(f"{error.message}; all {len(members)} shards are there and were used without it",))
    return replace(shell, files=index.shards, index=index, nbytes=index.nbytes)


def numbered_set(folder: Path, stem: str, suffix: str, members: list[str], files: Mapping[str, int]) -> FoundSet:
    """Put together shards that have no index, by the numbers in their names."""
    numbers = [match for name in members if (match := SHARD.match(name))]
    totals = sorted({int(match["total"]) for match in numbers})
    present = {int(match["at"]) for match in numbers}
    fault: CheckpointError | None = None
    if len(totals) != 1 or len(present) != totals[0] or len(members) != totals[0]:
        fault = CorruptCheckpoint(
            f"{len(present)} of {totals[-1]} shards {quoted(f'{stem}-*{suffix}')} are in {quoted(str(folder))},"
            f" the first is {quoted(members[0])}",
            path=folder,
            hint="download the missing shards, and the index file",
            limit=totals[-1],
            actual=len(present),
        )
    return FoundSet(
        name=set_name(stem, f"{stem}{suffix}"),
        folder=folder,
        format=format_of(folder, members[0]) or suffix[1:],
        files=tuple(members),
        nbytes=sum(files[name] for name in members),
        rank=rank_of(f"{stem}{suffix}"),
        fault=fault,
    )


def sliced_set(folder: Path, names: list[str], files: Mapping[str, int]) -> FoundSet:
    """Describe tensor-parallel slices."""
    return FoundSet(
        name="consolidated",
        folder=folder,
        format="consolidated",
        files=tuple(names),
        nbytes=sum(files[name] for name in names),
        rank=2,
        fault=UnsupportedFormat(
            f"the {len(names)} files {listed(names, 4)} are tensor-parallel slices, which are not put together",
            path=folder,
            hint="give the same weights as safetensors",
        ),
    )


def distributed_set(folder: Path, files: Mapping[str, int]) -> FoundSet:
    """Describe a checkpoint of torch.distributed."""
    names = [name for name in files if name.endswith(".distcp")]
    return FoundSet(
        name="distributed",
        folder=folder,
        format="distributed-checkpoint",
        files=tuple(names),
        nbytes=sum(files[name] for name in names),
        rank=6,
        fault=UnsupportedFormat(
            f"{quoted(str(folder))} is a distributed checkpoint of {len(names)} files, which is not read",
            path=folder,
            hint="convert it with `python -m torch.distributed.checkpoint.format_utils dcp_to_torch`",
        ),
    )


def format_of(folder: Path, name: str) -> str | None:
    """Return the format of a file, or None if it is not known."""
    try:
        source = SourceFile(require_inside(folder, name))
        reader = find_reader(source)
        source.close()
    except CheckpointError:
        return None
    return reader.format if reader else None
