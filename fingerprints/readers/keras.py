"""Keras weights: HDF5 files, and `.keras` archives with one in them.

Format: https://keras.io/api/models/model_saving_apis/ and https://support.hdfgroup.org/documentation/hdf5/latest/
The HDF5 library is asked where the numbers lie; those stored plainly are then read without it. Links to other files,
and data sets whose numbers lie in other files, are never followed.
"""

from __future__ import annotations

import io
from importlib import import_module
from typing import Any, Final

from fingerprints.errors import CorruptCheckpoint, NotACheckpoint, UnsupportedFormat
from fingerprints.readers.hdf5_dataset import describe_dataset
from fingerprints.readers.keras_groups import HINT, Walk
from fingerprints.readers.quoting import quoted
from fingerprints.readers.reader import FileContents
from fingerprints.readers.row_tensor import RowTensor
from fingerprints.readers.source import SourceFile, WindowStream
from fingerprints.readers.source_window import SourceWindow
from fingerprints.readers.zip_archive import MAGIC, ZipArchive

_WEIGHTS: Final = "model.weights.h5"


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
            entries = list(Walk(h5py, source).below(file))
            names = [entry.name for entry in entries]
            if len(set(names)) < len(names):
                names = [entry.path for entry in entries]
            found = {
                name: describe_dataset(name, entry.dataset, source, shard)
                for name, entry in zip(names, entries, strict=True)
            }
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise CorruptCheckpoint(
            f"the HDF5 file {quoted(str(source.path))} of {source.size} bytes is broken: {str(error)[:200]}",
            path=source.path,
            hint=HINT,
        ) from error
    tensors = {name: tensor for name, tensor in found.items() if tensor is not None}
    if not tensors:
        raise NotACheckpoint(
            f"{quoted(str(source.path))} is an HDF5 file of {source.size} bytes with 0 arrays of numbers",
            path=source.path,
            hint="give the file that holds the weights",
        )
    return tensors


def _library(source: SourceFile) -> Any:
    try:
        return import_module("h5py")
    except ImportError:
        raise UnsupportedFormat(
            f"{quoted(str(source.path))} is an HDF5 file of {source.size} bytes, which needs the package h5py",
            path=source.path,
            hint="pip install 'provenance-auditor[formats]'",
        ) from None
