"""The header of a GGUF file: metadata by key, then one entry a tensor; every count is checked before it is used.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Final, TypeVar

from fingerprints.errors import CorruptCheckpoint, LimitExceeded, UnsupportedFormat
from fingerprints.readers.gguf_cursor import HINT, Cursor
from fingerprints.readers.gguf_values import Value, read_value
from fingerprints.readers.quoting import quoted
from fingerprints.readers.reader import MAX_RANK
from fingerprints.readers.source import SourceFile

MAX_KEYS: Final = 100_000
"""Keys of metadata; real files have about fifty."""
MAX_TENSORS: Final = 100_000
"""Tensors of one file; the largest models have some thousands, since experts are stacked."""
VERSIONS: Final = (2, 3)

_SMALLEST_KEY: Final = 8 + 4 + 1
_SMALLEST_TENSOR: Final = 8 + 4 + 4 + 8
_LONGEST_NAME: Final = (1 << 16) - 1
_DEFAULT_ALIGNMENT: Final = 32

Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorEntry:
    """One tensor as the header lists it; `shape` is in numpy's order, the reverse of the file's.

    `offset` counts from the beginning of the data.
    """

    name: str
    shape: tuple[int, ...]
    type_id: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Metadata by key, tensors by name, and the byte at which the data begins."""

    metadata: dict[str, Value]
    tensors: dict[str, TensorEntry]
    begin: int

    def number(self, key: str) -> int | None:
        """Return the whole number that a key holds, or None."""
        value = self.metadata.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None


def read_header(source: SourceFile, read: Callable[[Cursor, str], Value] = read_value) -> Header:
    """Parse the header of a file.

    Parameters
    ----------
    source : SourceFile
        The file.
    read : callable
        Given a cursor and a key, reads the key's value.

    Raises
    ------
    CorruptCheckpoint
        When it is truncated or contradicts itself or the size of the file.
    LimitExceeded
        When it is larger than the header of any model.
    UnsupportedFormat
        When it is of a version or byte order that is not read.
    """
    cursor = Cursor(source)
    cursor.skip(4, "the magic number")
    _check_version(cursor)
    tensor_count = cursor.number(8, "the number of tensors")
    key_count = cursor.number(8, "the number of keys")
    for count, what, smallest, most in (
        (key_count, "keys", _SMALLEST_KEY, MAX_KEYS),
        (tensor_count, "tensors", _SMALLEST_TENSOR, MAX_TENSORS),
    ):
        cursor.require(count * smallest, f"{count} {what}")
        if count > most:
            raise LimitExceeded(
                f"the header of {quoted(str(source.path))} lists {count} {what}, more than {most}",
                path=source.path,
                hint=HINT,
                limit=most,
                actual=count,
            )
    metadata = _named(cursor, key_count, "key", read)
    tensors = _named(cursor, tensor_count, "tensor", _read_tensor)
    alignment = _alignment(cursor, metadata)
    return Header(metadata=metadata, tensors=tensors, begin=cursor.at + -cursor.at % alignment)


def _check_version(cursor: Cursor) -> None:
    version = cursor.number(4, "the version")
    if version in VERSIONS:
        return
    path = cursor.source.path
    if version & 0xFFFF == 0 and version:
        raise UnsupportedFormat(
            f"{quoted(str(path))} is a big-endian GGUF file of {cursor.source.size} bytes, which is not read",
            path=path,
            hint="give the little-endian file, or the safetensors it was converted from",
        )
    raise UnsupportedFormat(
        f"{quoted(str(path))} is a GGUF file of version {version}; versions 2 and 3 are read",
        path=path,
        hint="convert it again with a current llama.cpp",
        offset=4,
        actual=version,
    )


def _named(cursor: Cursor, count: int, what: str, read: Callable[[Cursor, str], Entry]) -> dict[str, Entry]:
    """Read `count` entries, each with its name before it."""
    found: dict[str, Entry] = {}
    for at in range(count):
        begin = cursor.at
        name = cursor.name(_LONGEST_NAME, f"the name of {what} {at + 1} of {count}")
        if name in found:
            raise CorruptCheckpoint(
                f"the {what} {quoted(name)} occurs more than once among {count} in {quoted(str(cursor.source.path))}",
                path=cursor.source.path,
                hint=HINT,
                offset=begin,
            )
        found[name] = read(cursor, name)
    return found


def _read_tensor(cursor: Cursor, name: str) -> TensorEntry:
    rank = cursor.number(4, f"the rank of the tensor {quoted(name)}")
    if rank > MAX_RANK:
        raise CorruptCheckpoint(
            f"the tensor {quoted(name)} of {quoted(str(cursor.source.path))} has {rank} axes, more than {MAX_RANK}",
            path=cursor.source.path,
            hint=HINT,
            offset=cursor.at - 4,
            limit=MAX_RANK,
            actual=rank,
        )
    lengths = [cursor.number(8, f"the shape of the tensor {quoted(name)}") for _ in range(rank)]
    elements = prod(max(1, length) for length in lengths)
    most = 8 * cursor.source.size
    if elements > most:
        raise CorruptCheckpoint(
            f"the tensor {quoted(name)} of {quoted(str(cursor.source.path))} is said to have {elements} elements,"
            f" more than the file has bits ({most})",
            path=cursor.source.path,
            hint=HINT,
            offset=cursor.at - 8 * rank,
            limit=most,
            actual=elements,
        )
    return TensorEntry(
        name=name,
        shape=tuple(reversed(lengths)),
        type_id=cursor.number(4, f"the type of the tensor {quoted(name)}"),
        offset=cursor.number(8, f"the offset of the tensor {quoted(name)}"),
    )


def _alignment(cursor: Cursor, metadata: dict[str, Value]) -> int:
    alignment = metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or isinstance(alignment, bool) or alignment < 1 or alignment & (alignment - 1):
        raise CorruptCheckpoint(
            f"{quoted(str(cursor.source.path))} aligns its data to {quoted(str(alignment), 40)} bytes, which is no"
            " power of 2",
            path=cursor.source.path,
            hint=HINT,
        )
    return alignment
