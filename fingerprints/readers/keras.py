"""Keras weights: HDF5 files, and `.keras` archives with one in them.

Format: https://keras.io/api/models/model_saving_apis/ and https://support.hdfgroup.org/documentation/hdf5/latest/
The HDF5 library is asked where the numbers lie; those stored plainly are then read without it. Links to other files,
and data sets whose numbers lie in other files, are never followed.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Final

from fingerprints.errors import CorruptCheckpoint, LimitExceeded, NotACheckpoint, UnsupportedFormat
from fingerprints.readers.hdf5_dataset import describe_dataset
from fingerprints.readers.name_length import cut
from fingerprints.readers.quoting import quoted
from fingerprints.readers.reader import FileContents
from fingerprints.readers.row_tensor import RowTensor
from fingerprints.readers.source import SourceFile, WindowStream
from fingerprints.readers.source_window import SourceWindow
from fingerprints.readers.zip_archive import MAGIC, ZipArchive

_WEIGHTS: Final = "model.weights.h5"
_HINT: Final = "the file is damaged or was not written by Keras; download it again"
_MAX_DEPTH: Final = 32
_TRAINING: Final = ("optimizer", "optimizer_weights")


class Hdf5Reader:
    """Reads `*.h5` and `*.hdf5`."""

    format = "hdf5"
    suffixes = (".h5", ".hdf5")
    by_suffix = False
    readable = True

    def recognises(self, name: str, head: bytes) -> bool:
        """Whether the file begins with the magic number."""
        return head.startswith(b"\x89HDF\r\n\x1a\n")

    def read(self, source: SourceFile, shard: str) -> FileContents:
        """List the data sets of the file."""
        return FileContents(format=self.format, containers={"": _datasets(source, shard)})


class KerasReader:
    """Reads `*.keras`."""

    format = "keras"
    suffixes = (".keras",)
    by_suffix = False
    readable = True

    def recognises(self, name: str, head: bytes) -> bool:
        """Whether the file is a zip archive with the suffix."""
        return head.startswith(MAGIC) and name.lower().endswith(self.suffixes)

    def read(self, source: SourceFile, shard: str) -> FileContents:
        """List the data sets of the archive's weights."""
        archive = ZipArchive(source)
        member = archive.members.get(_WEIGHTS)
        if member is None:
            raise NotACheckpoint(
                f"{quoted(str(source.path))} is a Keras archive without {_WEIGHTS} ({len(archive.members)} members)",
                path=source.path,
                hint="save the model again with its weights",
            )
        if member.compressed or member.fault is not None:
            raise UnsupportedFormat(
                f"{_WEIGHTS} in {quoted(str(source.path))} ({member.size} bytes) cannot be read in place:"
                f" {member.fault or 'it is compressed'}",
                path=source.path,
                hint=f"unpack the archive and give its {_WEIGHTS}",
            )
        window = SourceWindow(source, archive.place(member), member.size)
        return FileContents(format=self.format, containers={"": _datasets(window, shard)})


def _datasets(source: SourceFile, shard: str) -> dict[str, RowTensor]:
    h5py = _library(source)
    try:
        with h5py.File(io.BufferedReader(WindowStream(source, 0, source.size), 1 << 16), "r") as file:
            found = {
                name: describe_dataset(name, entry, source, shard)
                for name, entry in _walk(h5py, file, source, "", set())
            }
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise CorruptCheckpoint(
            f"the HDF5 file {quoted(str(source.path))} of {source.size} bytes is broken: {str(error)[:200]}",
            path=source.path,
            hint=_HINT,
        ) from error
    tensors = {name: tensor for name, tensor in found.items() if tensor is not None}
    if not tensors:
        raise NotACheckpoint(
            f"{quoted(str(source.path))} is an HDF5 file of {source.size} bytes with 0 arrays of numbers",
            path=source.path,
            hint="give the file that holds the weights",
        )
    return tensors


def _walk(
    h5py: Any, group: Any, source: SourceFile, prefix: str, seen: set[int], depth: int = 0
) -> Iterator[tuple[str, Any]]:
    """Yield the data sets below a group by the names that lead to them, joined by dots; training state is left out.

    `seen` holds the addresses of groups that were looked into: a group with several names is looked into once.
    """
    address = h5py.h5o.get_info(group.id).addr
    if address in seen:
        return
    seen.add(address)
    if depth > _MAX_DEPTH:
        raise LimitExceeded(
            f"groups of {quoted(str(source.path))} are nested more than {_MAX_DEPTH} deep",
            path=source.path,
            hint=_HINT,
            limit=_MAX_DEPTH,
        )
    for key in sorted(group):
        if not isinstance(group.get(key, getlink=True), h5py.HardLink) or (not depth and key in _TRAINING):
            continue
        entry = group[key]
        if isinstance(entry, h5py.Dataset):
            yield f"{prefix}{key}".replace("/", "."), entry
        elif isinstance(entry, h5py.Group):
            inner = "" if not depth and key == "model_weights" else cut(f"{prefix}{key}.")
            yield from _walk(h5py, entry, source, inner, seen, depth + 1)


def _library(source: SourceFile) -> Any:
    try:
        return import_module("h5py")
    except ImportError:
        raise UnsupportedFormat(
            f"{quoted(str(source.path))} is an HDF5 file of {source.size} bytes, which needs the package h5py",
            path=source.path,
            hint="pip install 'provenance-auditor[formats]'",
        ) from None
