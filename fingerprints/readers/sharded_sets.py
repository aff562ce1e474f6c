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
from fingerprints.readers.dcp import FORMAT as DISTRIBUTED
from fingerprints.readers.dcp import SUFFIX as DISTRIBUTED_SUFFIX
from fingerprints.readers.found_set import FoundSet, rank_of, set_name
from fingerprints.readers.quoting import listed, quoted
from fingerprints.readers.recognition import find_reader
from fingerprints.readers.shard_index import read_index
from fingerprints.readers.source import SourceFile

INDEX: Final = re.compile(r"^(?P<stem>.+)(?P<suffix>\.safetensors|\.bin)\.index(?P<variant>\.[\w-]+)?\.json$")
"""Names of index files."""
SLICE: Final = re.compile(r"^consolidated\.(?P<at>\d{2})(?P<suffix>\.(pth|safetensors))$")
"""Names of tensor-parallel slices."""
SLICES: Final = "consolidated"
"""Format of a set of such slices."""
RANK: Final = re.compile(r"^(mp|tp)_rank_\d{2,3}(_\d{3}){0,2}$")
"""Names of the folders that Megatron's ranks write into."""
MEGATRON: Final = ("model_optim_rng.pt", "model_rng.pt")
"""What they write there."""
SHARD: Final = re.compile(r"^(?P<stem>.+?)[-_](?P<at>\d{5,6})-of-(?P<total>\d{5,6})(?P<suffix>\.\w{2,12})$")
"""Names of shards."""


def shard_groups(names: Mapping[str, int]) -> dict[tuple[str, str], list[str]]:
    """Return the names of shards, by stem and suffix."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in names:
        if match := SHARD.match(name):
            groups[match["stem"], match["suffix"]].append(name)
    return groups


def slice_groups(names: Mapping[str, int]) -> list[list[str]]:
    """Return the names of tensor-parallel slices, those of one suffix together."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        if match := SLICE.match(name):
            groups[match["suffix"]].append(name)
    return list(groups.values())


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
    """Describe tensor-parallel slices, numbered from 0 on; one alone may be the whole model, or what is left of it."""
    numbers = sorted(int(match["at"]) for name in names if (match := SLICE.match(name)))
    fault: CheckpointError | None = None
    if numbers != list(range(len(names))):
        fault = CorruptCheckpoint(
            f"{len(names)} of at least {numbers[-1] + 1} slices are in {quoted(str(folder))}: {listed(names, 4)},"
            f" not numbered from 0 to {len(names) - 1}",
            path=folder,
            hint="download the missing slices",
            limit=numbers[-1] + 1,
            actual=len(names),
        )
    return FoundSet(
        name="consolidated",
        folder=folder,
        format=SLICES,
        files=tuple(sorted(names)),
        nbytes=sum(files[name] for name in names),
        rank=2,
        fault=fault,
    )


def lone_slice(place: Path, match: re.Match[str], nbytes: int) -> FoundSet:
    """Describe a slice named by its path: refused if others lie beside it, else taken as the only one of a folder."""
    beside = [name for at in range(100) if place.with_name(name := f"consolidated.{at:02d}{match['suffix']}").is_file()]
    known = replace(sliced_set(place.parent, [place.name], {place.name: nbytes}), name=place.name, trusted=True)
    if len(beside) > 1:
        fault = CorruptCheckpoint(
            f"{quoted(str(place))} is 1 of {len(beside)} tensor-parallel slices ({listed(beside, 4)}), no whole model",
            path=place,
            hint="give the folder; slices are put together",
            limit=len(beside),
            actual=1,
        )
        return replace(known, fault=fault)
    return known


def distributed_set(folder: Path, files: Mapping[str, int]) -> FoundSet:
    """Describe a checkpoint of torch.distributed."""
    names = [name for name in files if name.endswith(DISTRIBUTED_SUFFIX)]
    return FoundSet(
        name="distributed",
        folder=folder,
        format=DISTRIBUTED,
        files=tuple(names),
        nbytes=sum(files[name] for name in names),
        rank=4,
    )


def megatron_set(folder: Path, folders: list[str]) -> FoundSet | None:
    """Describe what Megatron's ranks wrote, if they did: one rank holds the model, of several each holds slices."""
    files = [
        f"{name}/{file}"
        for name in folders
        if RANK.match(name)
        for file in MEGATRON
        if (folder / name / file).is_file()
    ]
    if not files:
        return None
    fault = UnsupportedFormat(
        f"{quoted(str(folder))} is a Megatron checkpoint of {len(files)} ranks ({listed(files, 4)}), which are not put"
        " together",
        path=folder,
        hint="convert it with Megatron's tools/checkpoint/convert.py or with Megatron Bridge to Hugging Face weights",
        actual=len(files),
    )
    return FoundSet(
        name="megatron",
        folder=folder,
        format="megatron",
        files=tuple(files),
        nbytes=sum(SourceFile(folder / file).size for file in files),
        rank=4,
        fault=fault if len(files) > 1 else None,
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
