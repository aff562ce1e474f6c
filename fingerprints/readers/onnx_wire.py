"""Protocol buffers without a schema: the fields of a message, found by position, long ones never read.

Encoding: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from fingerprints.errors import CorruptCheckpoint, LimitExceeded
from fingerprints.readers.quoting import quoted
from fingerprints.readers.source import SourceFile

MAX_FIELDS: Final = 3_000_000
"""Fields that are looked at in one file."""
MAX_TEXT: Final = 1 << 16
"""Bytes of the longest name or other text."""
MAX_TEXTS: Final = 1 << 27
"""Bytes of all text that is kept."""
VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
"""Wire types that are in use."""

_WINDOW: Final = 1 << 13
_LONGEST: Final = 10
"""Bytes of the longest varint."""
_MASK: Final = (1 << 64) - 1
_HINT: Final = "the file is damaged, was cut short or is something else; download it again and compare its sha256"


class Field(NamedTuple):
    """One field of a message: `value` of a varint, else the bytes `[start:stop]` of the file that hold it."""

    number: int
    wire: int
    value: int
    start: int
    stop: int


class Wire:
    """Reads messages of a file; every position is checked against the message that it lies in.

    Parameters
    ----------
    source : SourceFile
        The file.
    what : str
        What it should be, for errors.
    """

    def __init__(self, source: SourceFile, what: str = "ONNX model") -> None:
        self.source = source
        self._what = what
        self._window = b""
        self._begin = 0
        self._fields = 0
        self._text = 0

    def fields(self, start: int, stop: int) -> Iterator[Field]:
        """Yield the fields of the message in bytes `[start:stop]`.

        Raises
        ------
        CorruptCheckpoint
            When a field does not end inside the message.
        LimitExceeded
            When the file has more than `MAX_FIELDS` fields.
        """
        at = start
        while at < stop:
            self._fields += 1
            if self._fields > MAX_FIELDS:
                raise self._exceeded("fields", MAX_FIELDS)
            begin = at
            tag, at = self._varint(at, stop)
            number, wire = tag >> 3, tag & 7
            if not 0 < number < 1 << 29:
                raise self.corrupt(
                    begin, f"the field number {number} at byte {begin} is not between 1 and {(1 << 29) - 1}"
                )
            if wire == VARINT:
                value, end = self._varint(at, stop)
                yield Field(number, wire, value, at, end)
                at = end
                continue
            if wire == LENGTH:
                length, at = self._varint(at, stop)
            elif wire in (FIXED32, FIXED64):
                length = 4 if wire == FIXED32 else 8
            else:
                raise self.corrupt(begin, f"byte {begin} begins a field of wire type {wire}, which is not in use")
            if length > stop - at:
                raise self.corrupt(
                    begin, f"the field at byte {begin} claims {length} bytes, but only {stop - at} follow"
                )
            yield Field(number, wire, 0, at, at + length)
            at += length

    def text(self, field: Field) -> str:
        """Return the UTF-8 text of a field; what is not UTF-8 is shown as escapes."""
        length = field.stop - field.start
        if field.wire != LENGTH:
            raise self.corrupt(
                field.start, f"field {field.number} at byte {field.start} is not text (wire type {field.wire})"
            )
        if length > MAX_TEXT:
            raise self._exceeded(f"bytes in the text at byte {field.start}", MAX_TEXT, length)
        self._text += length
        if self._text > MAX_TEXTS:
            raise self._exceeded("bytes of names", MAX_TEXTS)
        inside = self._begin <= field.start and field.stop <= self._begin + len(self._window)
        first = field.start - self._begin
        raw = self._window[first : first + length] if inside else self.source.read(field.start, length)
        return raw.decode("utf-8", "backslashreplace")

    def number(self, field: Field) -> int:
        """Return the signed 64-bit integer of a varint field."""
        if field.wire != VARINT:
            raise self.corrupt(
                field.start, f"field {field.number} at byte {field.start} is no integer (wire type {field.wire})"
            )
        return _signed(field.value)

    def numbers(self, field: Field, most: int) -> list[int]:
        """Return the signed integers of a repeated field, packed or not; one more than `most` where there are more."""
        if field.wire == VARINT:
            return [_signed(field.value)]
        if field.wire != LENGTH:
            raise self.corrupt(field.start, f"field {field.number} at byte {field.start} is no list of integers")
        found: list[int] = []
        at = field.start
        while at < field.stop and len(found) <= most:
            value, at = self._varint(at, field.stop)
            found.append(_signed(value))
        return found

    def corrupt(self, offset: int, reason: str) -> CorruptCheckpoint:
        """Return the error that says why the file cannot be used."""
        path = self.source.path
        return CorruptCheckpoint(
            f"{quoted(str(path))} is not a readable {self._what}: {reason}",
            path=path,
            hint=_HINT,
            offset=offset,
            limit=self.source.size,
        )

    def _varint(self, at: int, stop: int) -> tuple[int, int]:
        """Return the unsigned value at a position, and where it ends."""
        first = at - self._begin
        if first < 0 or first + _LONGEST > len(self._window):
            self._begin = at
            self._window = self.source.read(at, min(_WINDOW, self.source.size - at))
            first = 0
        window = self._window
        if at < stop and window[first] < 0x80:
            return window[first], at + 1
        value = shift = 0
        for place in range(first, min(first + _LONGEST, first + stop - at)):
            byte = window[place]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & _MASK, at + place - first + 1
            shift += 7
        if stop - at >= _LONGEST:
            raise self.corrupt(at, f"the integer at byte {at} has more than {_LONGEST} bytes")
        raise self.corrupt(at, f"it ends inside the integer at byte {at}, after {stop - at} bytes of it")

    def _exceeded(self, what: str, limit: int, actual: int | None = None) -> LimitExceeded:
        path = self.source.path
        return LimitExceeded(
            f"{quoted(str(path))} has more than {limit} {what}",
            path=path,
            hint="no model needs as many; if this one does, give the weights that it was exported from",
            limit=limit,
            actual=limit + 1 if actual is None else actual,
        )


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
