"""PyTorch's zip format, written by `torch.save` since 1.6 and by `torch.jit.save`.

Format: `data.pkl` describes the objects, `data/KEY` holds the bytes of one storage;
https://github.com/pytorch/pytorch/blob/main/caffe2/serialize/inline_container.h
"""

from __future__ import annotations

import io
import threading
from typing import Final

from fingerprints.errors import CorruptCheckpoint, UnsupportedFormat
from fingerprints.readers.element_types import OTHER_BYTE_ORDER
from fingerprints.readers.pickle_imports import imports_metadata
from fingerprints.readers.pickle_objects import StorageRef
from fingerprints.readers.quoting import listed, quoted
from fingerprints.readers.reader import FileContents
from fingerprints.readers.source import SourceFile, WindowStream
from fingerprints.readers.torch_pickle import HINT, SUFFIXES, run_pickle, weights
from fingerprints.readers.torch_storage import PlacedStorage, place_tensors
from fingerprints.readers.zip_archive import MAGIC, InflatedMember, Member, ZipArchive

_MAX_PICKLE: Final = 1 << 26
"""Bytes of the largest pickle that is stored compressed."""


class TorchZipReader:
    """Reads `*.pt`, `*.pth`, `*.bin` and `*.ckpt` of PyTorch 1.6 and later, and TorchScript."""

    format = "pytorch"
    suffixes = SUFFIXES
    by_suffix = False
    readable = True

    def recognises(self, name: str, head: bytes) -> bool:
        """Whether the file is a zip archive."""
        return head.startswith(MAGIC)

    def read(self, source: SourceFile, shard: str) -> FileContents:
        """Read the list of members and the pickle."""
        archive = ZipArchive(source)
        pickles = [name for name in archive.members if name == "data.pkl" or name.endswith("/data.pkl")]
        if not pickles:
            raise _not_torch(archive)
        main = min(pickles, key=lambda name: (name.count("/"), name))
        prefix = main.removesuffix("data.pkl")
        root, names = run_pickle(*_stream(archive, archive.members[main]), source.path)
        found, findings = weights(root, names, source.path, shard)
        storages = _Storages(archive, prefix)
        return FileContents(
            format="torchscript" if f"{prefix}constants.pkl" in archive.members else self.format,
            containers={label: place_tensors(views, storages.place, source, shard) for label, views in found.items()},
            findings=tuple(findings),
            metadata=imports_metadata(names, shard),
        )


class _Storages:
    """Finds storages in the archive."""

    def __init__(self, archive: ZipArchive, prefix: str) -> None:
        self._archive, self._prefix = archive, prefix
        self._swap = _byte_order(archive, prefix) == OTHER_BYTE_ORDER
        self._known: dict[str, PlacedStorage] = {}
        self._cache: dict[str, bytearray] = {}
        self._lock = threading.Lock()

    def place(self, storage: StorageRef) -> PlacedStorage:
        found = self._known.get(storage.key)
        if found is None:
            found = self._known[storage.key] = self._look(storage.key)
        return found

    def _look(self, key: str) -> PlacedStorage:
        source = self._archive.source
        member = self._archive.members.get(f"{self._prefix}data/{key}")
        if member is None:
            return PlacedStorage(
                region=source, offset=0, nbytes=0, fault=f"its storage {quoted(key)} is not in the archive"
            )
        if member.fault is not None:
            return PlacedStorage(region=source, offset=0, nbytes=0, fault=member.fault)
        if member.compressed:
            region = InflatedMember(self._archive, member, self._cache, self._lock)
            return PlacedStorage(region=region, offset=0, nbytes=member.size, swap=self._swap)
        try:
            offset = self._archive.place(member)
        except CorruptCheckpoint as error:
            return PlacedStorage(region=source, offset=0, nbytes=0, fault=error.message)
        return PlacedStorage(region=source, offset=offset, nbytes=member.size, swap=self._swap)


def _stream(archive: ZipArchive, member: Member) -> tuple[io.BufferedIOBase, int]:
    if member.fault is not None:
        raise UnsupportedFormat(
            f"{quoted(member.name)} of {quoted(str(archive.source.path))} ({member.size} bytes) cannot be read:"
            f" {member.fault}",
            path=archive.source.path,
            hint="unpack the file with a tool you trust, and store it without compression or encryption",
        )
    if member.compressed:
        return io.BytesIO(archive.inflate(member, _MAX_PICKLE)), member.size
    start = archive.place(member)
    return io.BufferedReader(WindowStream(archive.source, start, start + member.size), 1 << 18), member.size


def _byte_order(archive: ZipArchive, prefix: str) -> str:
    member = archive.members.get(f"{prefix}byteorder")
    if member is None or member.fault is not None or member.size > 16:
        return "little"
    stream, length = _stream(archive, member)
    order = stream.read(length).decode("ascii", "replace").strip()
    if order not in ("little", "big"):
        raise CorruptCheckpoint(
            f"{quoted(str(archive.source.path))} claims the byte order {quoted(order)}, {length} characters that are"
            " neither 'little' nor 'big'",
            path=archive.source.path,
            hint=HINT,
        )
    return order


def _not_torch(archive: ZipArchive) -> UnsupportedFormat:
    names, path = list(archive.members), archive.source.path
    if "model.weights.h5" in names:
        kind, hint = "a Keras model", "save its weights as safetensors and give that file"
    elif names and all(name.endswith(".npy") for name in names):
        kind, hint = "a NumPy archive", "save its arrays as safetensors and give that file"
    else:
        kind, hint = "a zip archive without data.pkl", "unpack it, and give the folder with the weights"
    return UnsupportedFormat(
        f"{quoted(str(path))} is {kind}, which is not read ({len(names)} members: {listed(names, 4)})",
        path=path,
        hint=hint,
    )
