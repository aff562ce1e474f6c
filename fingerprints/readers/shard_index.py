"""The index of a sharded checkpoint: which tensor lies in which file."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fingerprints.errors import CorruptCheckpoint, LimitExceeded
from fingerprints.readers.bounded_json import parse_object
from fingerprints.readers.containment import require_inside
from fingerprints.readers.quoting import quoted
from fingerprints.readers.source import SourceFile

MAX_INDEX: Final = 1 << 26
"""Bytes of the largest index."""
MAX_SHARDS: Final = 10_000
"""Files of the largest checkpoint."""
_HINT: Final = "download the index file again"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardIndex:
    """A parsed index; `shards` are the file names in order, all of them present, of `nbytes` in all."""

    path: Path
    weight_map: Mapping[str, str]
    shards: tuple[str, ...]
    nbytes: int


def read_index(folder: Path, name: str) -> ShardIndex:
    """Parse an index and find its shards.

    Raises
    ------
    CorruptCheckpoint
        When it is not a valid index, names files outside of the folder, or files that are missing.
    LimitExceeded
        When it or the number of shards is too large.
    """
    path = require_inside(folder, name)
    source = SourceFile(path)
    if source.size > MAX_INDEX:
        raise _exceeded(path, "bytes", MAX_INDEX, source.size)
    data = source.read(0, source.size)
    source.close()
    document = parse_object(data, path=path, what="the index", hint=_HINT)
    weight_map = document.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise _corrupt(path, f"its weight_map is {_kind(weight_map)}, not an object that names a file for each tensor")
    odd = [key for key, value in weight_map.items() if not isinstance(value, str)]
    if odd:
        raise _corrupt(
            path,
            f"for {len(odd)} of {len(weight_map)} tensors, such as {quoted(odd[0])}, it names no file but"
            f" {_kind(weight_map[odd[0]])}",
        )
    shards = tuple(sorted(set(weight_map.values())))
    if len(shards) > MAX_SHARDS:
        raise _exceeded(path, "shards", MAX_SHARDS, len(shards))
    sizes = {shard: _size(require_inside(folder, shard)) for shard in shards}
    missing = [shard for shard in shards if sizes[shard] is None]
    if missing:
        raise CorruptCheckpoint(
            f"{len(missing)} of {len(shards)} shards that {quoted(str(path))} names are missing,"
            f" the first is {quoted(missing[0])}",
            path=path,
            hint="download the missing files",
            limit=len(shards),
            actual=len(shards) - len(missing),
        )
    nbytes = sum(size for size in sizes.values() if size is not None)
    return ShardIndex(path=path, weight_map=weight_map, shards=shards, nbytes=nbytes)


def _size(path: Path) -> int | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _kind(value: object) -> str:
    return "missing" if value is None else f"a {type(value).__name__}"


def _corrupt(path: Path, reason: str) -> CorruptCheckpoint:
    return CorruptCheckpoint(f"the index {quoted(str(path))} is not usable: {reason}", path=path, hint=_HINT)


def _exceeded(path: Path, what: str, limit: int, actual: int) -> LimitExceeded:
    return LimitExceeded(
        f"the index {quoted(str(path))} has {actual} {what}, more than {limit}",
        path=path,
        hint=_HINT,
        limit=limit,
        actual=actual,
    )
