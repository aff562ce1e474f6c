"""PyTorch's format before 1.6: five pickles in a row, then the storages; and pickles that are no such file.

Format: https://github.com/pytorch/pytorch/blob/main/torch/serialization.py (`_legacy_save`)
"""

from __future__ import annotations

import io
import re
from typing import Any, Final

from fingerprints.errors import CorruptCheckpoint
from fingerprints.readers import torch_globals
from fingerprints.readers.element_types import ELEMENT_TYPES, OTHER_BYTE_ORDER
from fingerprints.readers.pickle_imports import imports_metadata
from fingerprints.readers.pickle_objects import Global, StorageRef
from fingerprints.readers.quoting import quoted
from fingerprints.readers.reader import FileContents
from fingerprints.readers.source import SourceFile, WindowStream
from fingerprints.readers.torch_pickle import HINT, SUFFIXES, run_pickle, weights
from fingerprints.readers.torch_storage import PlacedStorage, place_tensors

MAGIC_NUMBER: Final = 0x1950A86A20F9469CFC6C
_MAGIC: Final = b"\x8a\x0a" + MAGIC_NUMBER.to_bytes(10, "little")
_TEXT_MAGIC: Final = b"L%dL\n." % MAGIC_NUMBER
"""The magic number as protocols 0 and 1 write it, which have no header."""
_TEXT: Final = re.compile(rb"(\((d|l)|[}\]])(p0\n|q\x00)|c[A-Za-z_][\w.]*\n[A-Za-z_][\w.]*\n")
"""What other pickles of protocols 0 and 1 begin with: a container that is remembered as the first, or a class."""
_VERSION: Final = 1001
_COUNT_BYTES: Final = 8
_SMALL: Final = 10_000


class TorchLegacyReader:
    """Reads `*.pt`, `*.pth`, `*.bin` and `*.ckpt` of PyTorch before 1.6."""

    format = "pytorch-legacy"
    suffixes = SUFFIXES
    by_suffix = False
    readable = True

    def recognises(self, name: str, head: bytes) -> bool:
        """Whether the file begins with PyTorch's magic number, or else with any pickle; the suffix counts below 2."""
        if _MAGIC in head[:32] or head.startswith(_TEXT_MAGIC):
            return True
        if head[:1] == b"\x80" and len(head) > 1 and 2 <= head[1] <= 5:
            return True
        return name.endswith(self.suffixes) and _TEXT.match(head) is not None

    def read(self, source: SourceFile, shard: str) -> FileContents:
        """Run the pickles and find the storages that follow."""
        stream = io.BufferedReader(WindowStream(source, 0, source.size), 1 << 18)
        first, names = run_pickle(stream, source.size, source.path)
        if first != MAGIC_NUMBER or not isinstance(first, int):
            found, findings = weights(first, names, source.path, shard)
            containers = {
                label: place_tensors(views, _Storages(source, {}, swap=False).place, source, shard)
                for label, views in found.items()
            }
            return FileContents(
                format="pickle",
                containers=containers,
                findings=tuple(findings),
                metadata=imports_metadata(names, shard),
            )
        version, _ = run_pickle(stream, source.size, source.path, max_work=_SMALL)
        if version != _VERSION:
            raise _corrupt(source, stream.tell(), f"its version is not {_VERSION}")
        system, _ = run_pickle(stream, source.size, source.path, max_work=_SMALL)
        swap = isinstance(system, dict) and system.get("little_endian") is (OTHER_BYTE_ORDER == "little")
        seen: dict[str, StorageRef] = {}
        root, names = _objects(stream, source, seen)
        keys, _ = run_pickle(stream, source.size, source.path)
        storages = _Storages(source, _places(source, stream.tell(), keys, seen), swap=swap)
        found, findings = weights(root, names, source.path, shard)
        return FileContents(
            format=self.format,
            containers={label: place_tensors(views, storages.place, source, shard) for label, views in found.items()},
            findings=tuple(findings),
            metadata=imports_metadata(names, shard),
        )


class _Storages:
    def __init__(self, source: SourceFile, places: dict[str, tuple[int, int]], *, swap: bool) -> None:
        self._source, self._places, self._swap = source, places, swap

    def place(self, storage: StorageRef) -> PlacedStorage:
        if storage.key not in self._places:
            fault = f"its storage {quoted(storage.key)} does not follow the pickle"
            return PlacedStorage(region=self._source, offset=0, nbytes=0, fault=fault)
        offset, nbytes = self._places[storage.key]
        return PlacedStorage(region=self._source, offset=offset, nbytes=nbytes, swap=self._swap)


def _objects(stream: io.BufferedIOBase, source: SourceFile, seen: dict[str, StorageRef]) -> tuple[Any, list[Global]]:
    """Run the pickle with the objects, and remember which storages it names."""

    def load(identity: object) -> Any:
        found = torch_globals.load(identity)
        if isinstance(found, StorageRef):
            seen.setdefault(found.key, found)
        return found

    return run_pickle(stream, source.size, source.path, load=load)


def _places(source: SourceFile, at: int, keys: object, seen: dict[str, StorageRef]) -> dict[str, tuple[int, int]]:
    """Return offset and length of each storage; each is preceded by its number of elements."""
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise _corrupt(source, at, "its list of storages is no list of names")
    places: dict[str, tuple[int, int]] = {}
    for key in keys:
        storage = seen.get(key)
        if storage is None or key in places:
            raise _corrupt(source, at, f"the storage {quoted(key)} is listed twice or not used")
        if at + _COUNT_BYTES > source.size:
            raise _truncated(source, at + _COUNT_BYTES, key)
        count = int.from_bytes(source.read(at, _COUNT_BYTES), "little", signed=True)
        at += _COUNT_BYTES
        nbytes = count * ELEMENT_TYPES[storage.dtype].bits // 8
        if count < 0:
            raise _corrupt(source, at, f"the storage {quoted(key)} claims {count} elements")
        if at + nbytes > source.size:
            raise _truncated(source, at + nbytes, key)
        places[key] = (at, nbytes)
        at += nbytes
    return places


def _corrupt(source: SourceFile, at: int, reason: str) -> CorruptCheckpoint:
    return CorruptCheckpoint(
        f"{quoted(str(source.path))} is broken at byte {at} of {source.size}: {reason}",
        path=source.path,
        hint=HINT,
        offset=at,
    )


def _truncated(source: SourceFile, needed: int, key: str) -> CorruptCheckpoint:
    return CorruptCheckpoint(
        f"{quoted(str(source.path))} is truncated: the storage {quoted(key)} ends at byte {needed}, the file at"
        f" {source.size}, so at least {needed - source.size} bytes are missing",
        path=source.path,
        hint="the download was cut short; download the file again",
        offset=source.size,
        limit=source.size,
        actual=needed,
    )
