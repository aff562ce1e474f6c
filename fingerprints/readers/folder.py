"""The sets of weights in a folder, and which of them is meant when nobody says so.

In order of precedence: `model.safetensors`; `pytorch_model.bin`; `consolidated.*`; other safetensors; other files,
distributed checkpoints and Megatron's; variants such as `model.fp16.safetensors`; an adapter; `checkpoint-N` and
`iter_N` sub-folders, the last first; other sub-folders. A set that can be read goes before one that cannot; among
equals the first name in order.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fingerprints.errors import CheckpointError, LimitExceeded, NotACheckpoint
from fingerprints.readers.containment import require_inside
from fingerprints.readers.found_set import CANONICAL, STEP, FoundSet, order_of, rank_of, set_name, uniquely_named
from fingerprints.readers.quoting import quoted
from fingerprints.readers.recognition import READERS, find_reader
from fingerprints.readers.sharded_sets import (
    INDEX,
    RANK,
    distributed_set,
    format_of,
    indexed_set,
    megatron_set,
    numbered_set,
    shard_groups,
    slice_groups,
    sliced_set,
)
from fingerprints.readers.source import SourceFile

MAX_ENTRIES: Final = 100_000
"""Files of the largest folder that is looked at."""

_MAX_FOLDERS: Final = 256
_NOT_WEIGHTS: Final = re.compile(
    r"^(training_args|optim|optimizer|scheduler|rng_state|random_states|scaler|sampler|trainer_state|tokenizer|vocab"
    r"|merges)(?=[._\-\d])|optim_states|optimizer_state",
    re.IGNORECASE,
)
_SUFFIXES: Final = tuple(sorted({suffix for reader in READERS for suffix in reader.suffixes}))


def find_sets(folder: Path, *, nested: bool = True) -> list[FoundSet]:
    """Return the sets of weights in a folder, in order of precedence; `nested` looks into sub-folders, too.

    Raises
    ------
    NotACheckpoint
        When the folder cannot be listed.
    LimitExceeded
        When it has more than `MAX_ENTRIES` entries.
    """
    files, folders = _entries(folder)
    found: list[FoundSet] = []
    left = {name: size for name, size in files.items() if name.lower().endswith(_SUFFIXES)}
    groups = shard_groups(left)
    for name in sorted(files):
        if match := INDEX.match(name):
            found.append(indexed_set(folder, match, files, groups))
    for stem, suffix in groups:
        members = groups[stem, suffix]
        if not any(set(members) <= set(known.files) for known in found):
            found.append(numbered_set(folder, stem, suffix, members, files))
    taken = {name for known in found for name in known.files} | {name for group in groups.values() for name in group}
    for slices in slice_groups(left):
        if len(slices) > 1 or format_of(folder, slices[0]) is not None:
            found.append(sliced_set(folder, slices, files))
            taken.update(slices)
    found += [
        single
        for name in left
        if name not in taken and not _NOT_WEIGHTS.search(name) and (single := _single(folder, name, files)) is not None
    ]
    if ".metadata" in files and any(name.endswith(".distcp") for name in files):
        found.append(distributed_set(folder, files))
    ranks = megatron_set(folder, folders[:_MAX_FOLDERS])
    if ranks is not None:
        found.append(ranks)
        folders = [name for name in folders if not RANK.match(name)]
    if nested:
        found += [inner for name in folders[:_MAX_FOLDERS] if (inner := _sub_folder(folder, name)) is not None]
    return sorted(uniquely_named(found), key=lambda known: (known.fault is not None, known.rank, order_of(known.name)))


def _entries(folder: Path) -> tuple[dict[str, int], list[str]]:
    """Return the regular files with their sizes, and the sub-folders, sorted by name."""
    files: dict[str, int] = {}
    folders: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if len(files) + len(folders) >= MAX_ENTRIES:
                    raise LimitExceeded(
                        f"{quoted(str(folder))} has more than {MAX_ENTRIES} entries",
                        path=folder,
                        hint="give the checkpoint itself",
                        limit=MAX_ENTRIES,
                    )
                size = _size(entry)
                if size is not None:
                    files[entry.name] = size
                elif entry.is_dir():
                    folders.append(entry.name)
    except OSError as error:
        raise NotACheckpoint(
            f"the folder {quoted(str(folder))} cannot be listed: {error.strerror}",
            path=folder,
            hint="check the path and its permissions",
        ) from error
    return {name: files[name] for name in sorted(files)}, sorted(folders)


def _size(entry: os.DirEntry[str]) -> int | None:
    """Return the size of a file, 0 for a link that leads nowhere, None for what is neither."""
    try:
        return entry.stat().st_size if entry.is_file() else 0 if entry.is_symlink() and not entry.is_dir() else None
    except OSError:
        return 0


def _single(folder: Path, name: str, files: Mapping[str, int]) -> FoundSet | None:
    """Take one file for a set of its own, if a reader recognises it or its name says that it must be one."""
    stem, _, suffix = name.rpartition(".")
    fault: CheckpointError | None = None
    kind: str | None = None
    try:
        source = SourceFile(require_inside(folder, name))
        reader = find_reader(source)
        source.close()
        kind = reader.format if reader else None
        if reader is not None and not reader.readable:
            reader.read(source, name)
    except CheckpointError as error:
        fault = error
    if kind is None and stem not in CANONICAL:
        return None
    return FoundSet(
        name=set_name(stem, name),
        folder=folder,
        format=kind or suffix.lower(),
        files=(name,),
        nbytes=files[name],
        rank=rank_of(name),
        fault=fault,
    )


def _sub_folder(folder: Path, name: str) -> FoundSet | None:
    """Take a sub-folder for a set of its own, if there are weights in it."""
    try:
        require_inside(folder, name)
        inner = find_sets(folder / name, nested=False)
    except CheckpointError:
        return None
    if not inner:
        return None
    first = inner[0]
    return FoundSet(
        name=name,
        folder=folder / name,
        format=first.format,
        files=tuple(f"{name}/{file}" for file in first.files),
        nbytes=first.nbytes,
        rank=7 if STEP.match(name) else 8,
        fault=first.fault,
        inside=True,
    )
