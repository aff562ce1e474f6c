"""Which reader a file is for: by what it begins with, and by its suffix where that does not tell."""

from __future__ import annotations

from typing import Final

from fingerprints.errors import NotACheckpoint
from fingerprints.readers.flax import FlaxReader
from fingerprints.readers.gguf import GgufReader
from fingerprints.readers.keras import Hdf5Reader, KerasReader
from fingerprints.readers.onnx import OnnxReader
from fingerprints.readers.quoting import quoted
from fingerprints.readers.reader import Reader
from fingerprints.readers.recognised import GitLfsPointer, TarReader
from fingerprints.readers.safetensors import SafetensorsReader
from fingerprints.readers.source import SourceFile
from fingerprints.readers.torch_legacy import TorchLegacyReader
from fingerprints.readers.torch_zip import TorchZipReader

READERS: Final[tuple[Reader, ...]] = (
    GitLfsPointer(),
    SafetensorsReader(),
    KerasReader(),
    TorchZipReader(),
    TorchLegacyReader(),
    GgufReader(),
    Hdf5Reader(),
    TarReader(),
    OnnxReader(),
    FlaxReader(),
)
"""Every format, in the order in which they are asked."""

_HEAD: Final = 512


def find_reader(source: SourceFile) -> Reader | None:
    """Return the reader for a file, or None."""
    name, head = source.path.name.lower(), source.head(_HEAD)
    for reader in READERS:
        if reader.recognises(name, head):
            return reader
    return next((reader for reader in READERS if reader.by_suffix and name.endswith(reader.suffixes)), None)


def require_reader(source: SourceFile) -> Reader:
    """Return the reader for a file.

    Raises
    ------
    NotACheckpoint
        When it is empty, or no reader recognises it.
    """
    path = source.path
    if not source.size:
        raise NotACheckpoint(
            f"{quoted(str(path))} is empty (0 bytes)", path=path, hint="download it again, or give another file"
        )
    reader = find_reader(source)
    if reader is None:
        raise NotACheckpoint(
            f"{quoted(str(path))} is no checkpoint of a known format: its {source.size} bytes begin with"
            f" {source.head(8).hex(' ')}",
            path=path,
            hint=f"known formats are {', '.join(sorted(reader.format for reader in READERS if reader.readable))}",
        )
    return reader
