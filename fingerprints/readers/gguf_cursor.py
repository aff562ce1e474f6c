"""A place in the header of a GGUF file that only moves forward, within the file and within a limit."""

from __future__ import annotations

import struct
from typing import Final

from fingerprints.errors import CorruptCheckpoint, LimitExceeded
from fingerprints.readers.quoting import quoted
from fingerprints.readers.source import SourceFile

MAX_HEADER: Final = 1 << 28
"""Bytes that a header may span; vocabularies of half a million tokens take about 30 MB."""
MAX_STRINGS: Final = 4_000_000
"""Strings in the lists of one file, each of which has to be stepped over."""
HINT: Final = "the file is damaged or was not written as GGUF; download it again and compare its sha256"

_CHUNK: Final = 1 << 18
_LENGTH: Final = struct.Struct("<Q")


class Cursor:
    """Reads little-endian values one after the other; keeps one chunk of the file."""

    def __init__(self, source: SourceFile) -> None:
        self.source = source
        self.at = 0
        self._chunk = b""
        self._begin = 0
        self._strings = 0

    def require(self, count: int, what: str) -> None:
        """Raise CorruptCheckpoint unless `count` more bytes are there, LimitExceeded if a header has not so many."""
        left, path = self.source.size - self.at, self.source.path
        if count > left:
            raise CorruptCheckpoint(
                f"{quoted(str(path))} is truncated or damaged: {what} at byte {self.at} takes {count} bytes or more,"
                f" and {left} are left",
                path=path,
                hint=HINT,
                offset=self.at,
                limit=left,
                actual=count,
            )
        if self.at + count > MAX_HEADER:
            raise LimitExceeded(
                f"the header of {quoted(str(path))} has {self.at + count} bytes or more, more than {MAX_HEADER}",
                path=path,
                hint=HINT,
                offset=self.at,
                limit=MAX_HEADER,
                actual=self.at + count,
            )

    def skip(self, count: int, what: str) -> None:
        """Move on by `count` bytes without reading them."""
        self.require(count, what)
        self.at += count

    def take(self, count: int, what: str) -> bytes:
        """Return the next `count` bytes."""
        self.require(count, what)
        start = self._fill(count)
        self.at += count
        return self._chunk[start : start + count]

    def number(self, width: int, what: str) -> int:
        """Return an unsigned number of `width` bytes."""
        return int.from_bytes(self.take(width, what), "little")

    def text(self, longest: int, what: str) -> bytes | None:
        """Return the bytes of a string, or None if it is longer than `longest` and was skipped."""
        length = self.number(8, f"the length of {what}")
        if length > longest:
            self.skip(length, what)
            return None
        return self.take(length, what)

    def name(self, longest: int, what: str) -> str:
        """Return a string that must be UTF-8 and at most `longest` bytes."""
        begin = self.at
        raw = self.text(longest, what)
        reason = f"has more than {longest} bytes"
        if raw is not None:
            try:
                return raw.decode("utf-8")
            except UnicodeDecodeError as error:
                reason = f"is not UTF-8 at byte {error.start} of {len(raw)}"
        path = self.source.path
        raise CorruptCheckpoint(f"{what} in {quoted(str(path))} {reason}", path=path, hint=HINT, offset=begin)

    def strings(self, count: int, what: str) -> list[bytes]:
        """Return the next `count` strings."""
        self._count_strings(count)
        self.require(_LENGTH.size * count, what)
        return [self.take(self.number(_LENGTH.size, what), what) for _ in range(count)]

    def skip_strings(self, count: int, what: str) -> None:
        """Move on behind `count` strings."""
        self._count_strings(count)
        unpack, width = _LENGTH.unpack_from, _LENGTH.size
        while count:
            self.require(width * count, what)
            at = self._fill(width)
            last = len(self._chunk) - width
            begin, chunk = at, self._chunk
            while count and at <= last:
                at += width + unpack(chunk, at)[0]
                count -= 1
            self.skip(at - begin, what)

    def _count_strings(self, count: int) -> None:
        self._strings += count
        if self._strings > MAX_STRINGS:
            raise LimitExceeded(
                f"the lists in {quoted(str(self.source.path))} have {self._strings} strings, more than {MAX_STRINGS}",
                path=self.source.path,
                hint=HINT,
                offset=self.at,
                limit=MAX_STRINGS,
                actual=self._strings,
            )

    def _fill(self, count: int) -> int:
        """Have the next `count` bytes, which are there, in the chunk; return where in it they begin."""
        start = self.at - self._begin
        if start + count > len(self._chunk):
            self._begin = self.at
            self._chunk = self.source.read(self.at, min(max(count, _CHUNK), self.source.size - self.at))
            return 0
        return start
