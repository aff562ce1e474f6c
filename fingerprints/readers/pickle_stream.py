"""The arguments of pickle opcodes, read from a stream whose length is known."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

from fingerprints.errors import CorruptCheckpoint, LimitExceeded
from fingerprints.readers.pickle_objects import Omitted
from fingerprints.readers.quoting import quoted

MAX_KEPT = 1 << 16
"""Bytes of text that are kept; longer text, and bytes of this length or more, are left out."""
MAX_TEXT = 1 << 27
"""Bytes of text that are kept in all."""
MAX_INTEGER = 1 << 10
"""Bytes of the largest integer."""


class PickleStream:
    """Reads arguments; every length is checked against what is left of the stream before it is used.

    Raises
    ------
    CorruptCheckpoint
        When the stream ends early, or an argument is not what its opcode promises.
    LimitExceeded
        When an argument, or all text together, is larger than anything a checkpoint needs.
    """

    def __init__(self, stream: io.BufferedIOBase, length: int, path: Path, hint: str) -> None:
        self._stream = stream
        self.read = stream.read
        self._length = length
        self._kept = 0
        self.path = path
        self.hint = hint

    def tell(self) -> int:
        """Bytes consumed so far."""
        return self._stream.tell()

    def exactly(self, count: int) -> bytes:
        """Return the next `count` bytes; `count` is small."""
        data = self._stream.read(count)
        if len(data) != count:
            raise self.corrupt(f"it ends {count - len(data)} bytes early")
        return data

    def number(self, form: str) -> Any:
        """Return one number in a `struct` format."""
        return struct.unpack(form, self.exactly(struct.calcsize(form)))[0]

    def text(self, form: str) -> str | Omitted:
        """Return UTF-8 text after its length."""
        data = self.data(form)
        return data if isinstance(data, Omitted) else self._decoded(data)

    def data(self, form: str) -> bytes | Omitted:
        """Return bytes after their length."""
        count = self.number(form)
        left = self._length - self.tell()
        if not 0 <= count <= left:
            raise self.corrupt(f"an argument of {count} bytes is announced and {left} are left")
        if count >= MAX_KEPT:
            self._stream.seek(count, io.SEEK_CUR)
            return Omitted(count)
        self._kept += count
        if self._kept > MAX_TEXT:
            raise self.exceeded("bytes of text", MAX_TEXT, self._kept)
        return self.exactly(count)

    def line(self) -> str:
        """Return the text up to the end of the line."""
        return self._decoded(self.raw_line())

    def raw_line(self) -> bytes:
        """Return the bytes up to the end of the line."""
        data = self._stream.readline(MAX_KEPT)
        if not data.endswith(b"\n"):
            raise self.corrupt(f"a line has no end within {len(data)} bytes")
        self._kept += len(data)
        if self._kept > MAX_TEXT:
            raise self.exceeded("bytes of text", MAX_TEXT, self._kept)
        return data[:-1].removesuffix(b"\r")

    def long(self, form: str) -> int:
        """Return an integer in two's complement after its length."""
        count = self.number(form)
        if not 0 <= count <= MAX_INTEGER:
            raise self.exceeded("bytes of one integer", MAX_INTEGER, count)
        return int.from_bytes(self.exactly(count), "little", signed=True)

    def decimal(self) -> int | bool:
        """Return an integer written in digits; `00` and `01` are truth values."""
        text = self.line().removesuffix("L")
        if text in ("00", "01"):
            return text == "01"
        if len(text) > MAX_INTEGER:
            raise self.exceeded("digits of one integer", MAX_INTEGER, len(text))
        try:
            return int(text)
        except ValueError:
            raise self.corrupt(f"{quoted(text, 40)} is not an integer") from None

    def floating(self) -> float:
        """Return a floating-point number written in digits."""
        text = self.line()
        try:
            return float(text)
        except ValueError:
            raise self.corrupt(f"{quoted(text, 40)} is not a number") from None

    def corrupt(self, reason: str) -> CorruptCheckpoint:
        """Return the error for a broken pickle."""
        at = self.tell()
        return CorruptCheckpoint(
            f"the pickle of {quoted(str(self.path))} is broken at byte {at} of {self._length}: {reason}",
            path=self.path,
            hint=self.hint,
            offset=at,
        )

    def exceeded(self, what: str, limit: int, actual: int) -> LimitExceeded:
        """Return the error for a pickle that asks for too much."""
        return LimitExceeded(
            f"the pickle of {quoted(str(self.path))} has {actual} {what}, more than {limit}",
            path=self.path,
            hint=self.hint,
            offset=self.tell(),
            limit=limit,
            actual=actual,
        )

    def _decoded(self, data: bytes) -> str:
        try:
            return data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise self.corrupt(f"byte {error.start} of a text of {len(data)} is not UTF-8") from None
