"""The members of a zip file, found without trusting what it says about itself."""

from __future__ import annotations

import io
import struct
import threading
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fingerprints.errors import CorruptCheckpoint, LimitExceeded
from fingerprints.readers.quoting import quoted
from fingerprints.readers.source import SourceFile, WindowStream

MAGIC: Final = b"PK\x03\x04"
MAX_DIRECTORY: Final = 1 << 23
"""Bytes of the largest list of members."""
MAX_INFLATED: Final = 1 << 28
"""Bytes of the largest compressed member, once unpacked."""

_LOCAL_HEADER: Final = struct.Struct("<4s5H3I2H")
_ENCRYPTED: Final = 0x1
_STEP: Final = 1 << 20
_HINT: Final = "the download was cut short or the file is damaged; download it again"
_BROKEN = (zipfile.BadZipFile, NotImplementedError, struct.error, ValueError, OverflowError, EOFError, IndexError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of an archive: `stored` bytes in the file, which become `size` bytes; `fault` if it cannot be read."""

    name: str
    header: int
    stored: int
    size: int
    compressed: bool
    fault: str | None = None


class ZipArchive:
    """Members by name. Opening reads the list of members only.

    Raises
    ------
    CorruptCheckpoint
        When the list is missing or contradicts itself or the size of the file.
    LimitExceeded
        When it is larger than `MAX_DIRECTORY`.
    """

    def __init__(self, source: SourceFile) -> None:
        self.source = source
        stream = _BoundedReader(WindowStream(source, 0, source.size))
        stream.path = source.path
        try:
            with zipfile.ZipFile(stream) as archive:
                found = archive.infolist()
        except _BROKEN as error:
            raise self._corrupt(f"the list of its members is missing or broken ({str(error)[:200]})") from error
        self.members: dict[str, Member] = {}
        for info in found:
            if info.filename in self.members:
                raise self._corrupt(f"{quoted(info.filename)} occurs twice among {len(found)} members")
            self.members[info.filename] = _member(info)
        self._check_places()

    def place(self, member: Member) -> int:
        """Return the offset of the bytes of `member` in the file."""
        header = _LOCAL_HEADER.unpack(self._read(member.header, _LOCAL_HEADER.size, member))
        if header[0] != MAGIC:
            raise self._corrupt(f"there is no header of {quoted(member.name)} at byte {member.header}")
        start: int = member.header + _LOCAL_HEADER.size + header[9] + header[10]
        end = start + member.stored
        if end > self._ends[member.name]:
            raise self._corrupt(
                f"{quoted(member.name)} claims {member.stored} bytes from byte {start} on,"
                f" and {self._ends[member.name] - start} are there"
            )
        return start

    def inflate(self, member: Member, limit: int = MAX_INFLATED) -> bytearray:
        """Return the unpacked bytes of a compressed member.

        Raises
        ------
        LimitExceeded
            When there are more than `limit`.
        """
        if member.size > limit:
            raise LimitExceeded(
                f"{quoted(member.name)} of {quoted(str(self.source.path))} unpacks from {member.stored} to"
                f" {member.size} bytes, more than {limit}",
                path=self.source.path,
                hint="unpack the file with a tool you trust, and store it without compression",
                limit=limit,
                actual=member.size,
            )
        at, left = self.place(member), member.stored
        engine = zlib.decompressobj(-zlib.MAX_WBITS)
        unpacked, chunk = bytearray(), b""
        try:
            while not engine.eof and len(unpacked) <= member.size:
                if not chunk and left:
                    chunk = self.source.read(at, min(left, _STEP))
                    at, left = at + len(chunk), left - len(chunk)
                piece = engine.decompress(chunk, min(_STEP, member.size + 1 - len(unpacked)))
                chunk = engine.unconsumed_tail
                unpacked += piece
                if not (piece or chunk or left):
                    break
        except zlib.error as error:
            raise self._corrupt(
                f"{quoted(member.name)} of {member.stored} bytes cannot be unpacked: {error}"
            ) from error
        if len(unpacked) != member.size:
            raise self._corrupt(f"{quoted(member.name)} does not unpack to the {member.size} bytes it claims")
        return unpacked

    def _check_places(self) -> None:
        """Require that no member lies outside the file or begins inside another."""
        ordered = sorted(self.members.values(), key=lambda member: member.header)
        self._ends: dict[str, int] = {}
        for at, member in enumerate(ordered):
            end = ordered[at + 1].header if at + 1 < len(ordered) else self.source.size
            if member.header + _LOCAL_HEADER.size + member.stored > end:
                raise self._corrupt(
                    f"{quoted(member.name)} claims {member.stored} bytes at byte {member.header} and overlaps what"
                    f" begins at byte {end}"
                )
            self._ends[member.name] = end

    def _read(self, offset: int, count: int, member: Member) -> bytes:
        if not 0 <= offset <= self.source.size - count:
            raise self._corrupt(f"{quoted(member.name)} lies outside the {self.source.size} bytes of the file")
        return self.source.read(offset, count)

    def _corrupt(self, reason: str) -> CorruptCheckpoint:
        path = self.source.path
        return CorruptCheckpoint(
            f"the zip archive {quoted(str(path))} of {self.source.size} bytes is broken: {reason}",
            path=path,
            hint=_HINT,
        )


class InflatedMember:
    """A compressed member as a Region; it is unpacked when first read, and given up for the next one."""

    def __init__(self, archive: ZipArchive, member: Member, cache: dict[str, bytearray], lock: threading.Lock) -> None:
        self._archive, self._member, self._cache, self._lock = archive, member, cache, lock

    @property
    def path(self) -> Path:
        """The archive."""
        return self._archive.source.path

    def read_into(self, view: memoryview, offset: int) -> None:
        """Fill `view` with the unpacked bytes at `offset`."""
        with self._lock:
            data = self._cache.get(self._member.name)
            if data is None:
                self._cache.clear()
                data = self._cache[self._member.name] = self._archive.inflate(self._member)
        view[:] = data[offset : offset + len(view)]

    def check(self) -> None:
        """Raise CorruptCheckpoint if the archive is no longer the one that was opened."""
        self._archive.source.check()


class _BoundedReader(io.BufferedReader):
    """Refuses to read a list of members that is too long to hold."""

    path = Path()

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MAX_DIRECTORY:
            raise LimitExceeded(
                f"the zip archive {quoted(str(self.path))} has {size} bytes of directory, more than {MAX_DIRECTORY}",
                path=self.path,
                hint=_HINT,
                limit=MAX_DIRECTORY,
                actual=size,
            )
        return super().read(size)


def _member(info: zipfile.ZipInfo) -> Member:
    fault = None
    if info.flag_bits & _ENCRYPTED:
        fault = "its member is encrypted"
    elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        fault = f"its member is compressed by method {info.compress_type}"
    elif info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
        fault = f"its member claims {info.file_size} bytes, stored as {info.compress_size}"
    return Member(
        name=info.filename,
        header=info.header_offset,
        stored=info.compress_size,
        size=info.file_size,
        compressed=info.compress_type != zipfile.ZIP_STORED,
        fault=fault,
    )
