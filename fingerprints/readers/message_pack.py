"""MessagePack, walked without reading what is long: byte strings and extensions are only located.

Format: https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Final

from fingerprints.errors import CorruptCheckpoint, LimitExceeded
from fingerprints.readers.quoting import quoted
from fingerprints.readers.source import SourceFile

MAX_VALUES: Final = 2_000_000
"""Values that a file may have; the largest models have some ten thousand."""
MAX_DEPTH: Final = 48
MAX_TEXT: Final = 1024
"""Bytes of the longest text that is kept; longer ones are located only."""

_WINDOW: Final = 1 << 10
_HINT: Final = "the file is damaged or was not written by Flax; download it again and compare its sha256"
_FIXED: Final = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_FLOATS: Final = {0xCA: ">f", 0xCB: ">d"}
_LENGTHS: Final = {0xD9: 1, 0xDA: 2, 0xDB: 4, 0xC4: 1, 0xC5: 2, 0xC6: 4, 0xC7: 1, 0xC8: 2, 0xC9: 4}
_CONSTANTS: Final = {0xC0: None, 0xC2: False, 0xC3: True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """Bytes that were not read: `nbytes` at `offset`; `kind` is the type of an extension, None for a byte string."""

    offset: int
    nbytes: int
    kind: int | None = None


class MessagePack:
    """Walks the values of `source` between the bytes `start` and `stop`.

    Raises
    ------
    CorruptCheckpoint
        When a value ends beyond `stop`, or there is no such value.
    LimitExceeded
        When there are more than `MAX_VALUES`, or they are nested deeper than `MAX_DEPTH`.
    """

    def __init__(self, source: SourceFile, start: int = 0, stop: int | None = None) -> None:
        self._source = source
        self.at = start
        self._stop = source.size if stop is None else stop
        self._values = 0
        self._window, self._begin = b"", start

    def value(self, depth: int = 0) -> Any:
        """Return the value at the current position: dict, list, text, number, None or `Located`."""
        self._values += 1
        if self._values > MAX_VALUES or depth > MAX_DEPTH:
            raise self._exceeded(depth)
        code = self._number(1)
        if code <= 0x7F or code >= 0xE0:
            return code if code <= 0x7F else code - 0x100
        if code in _CONSTANTS:
            return _CONSTANTS[code]
        if code in _FIXED:
            number = self._number(_FIXED[code])
            signed = 0xD0 <= code <= 0xD3 and number >> (8 * _FIXED[code] - 1)
            return number - (1 << 8 * _FIXED[code]) if signed else number
        if code in _FLOATS:
            return struct.unpack(_FLOATS[code], self._take(struct.calcsize(_FLOATS[code])))[0]
        if 0xA0 <= code <= 0xBF or 0xD9 <= code <= 0xDB:
            return self._text(code & 0x1F if code <= 0xBF else self._number(_LENGTHS[code]))
        if 0xC4 <= code <= 0xC6:
            return self._skip(self._number(_LENGTHS[code]), None)
        if 0xC7 <= code <= 0xC9 or 0xD4 <= code <= 0xD8:
            length = self._number(_LENGTHS[code]) if code <= 0xC9 else 1 << (code - 0xD4)
            return self._skip(length, self._number(1))
        if code <= 0x8F or code in (0xDE, 0xDF):
            return self._map(code & 0x0F if code <= 0x8F else self._number(2 if code == 0xDE else 4), depth)
        if code <= 0x9F or code in (0xDC, 0xDD):
            count = code & 0x0F if code <= 0x9F else self._number(2 if code == 0xDC else 4)
            self._require(count)
            return [self.value(depth + 1) for _ in range(count)]
        raise self._corrupt(f"there is no value that begins with {code:#x}")

    def _map(self, count: int, depth: int) -> dict[Any, Any]:
        self._require(2 * count)
        found: dict[Any, Any] = {}
        for _ in range(count):
            key = self.value(depth + 1)
            content = self.value(depth + 1)
            if isinstance(key, str | int):
                if key in found:
                    raise self._corrupt(f"the key {quoted(str(key))} occurs twice")
                found[key] = content
        return found

    def _text(self, length: int) -> str | Located:
        if length > MAX_TEXT:
            return self._skip(length, None)
        return self._take(length).decode("utf-8", "backslashreplace")

    def _skip(self, length: int, kind: int | None) -> Located:
        self._require(length)
        self.at += length
        return Located(offset=self.at - length, nbytes=length, kind=kind)

    def _number(self, length: int) -> int:
        return int.from_bytes(self._take(length), "big")

    def _take(self, length: int) -> bytes:
        self._require(length)
        first = self.at - self._begin
        if first < 0 or first + length > len(self._window):
            self._begin, first = self.at, 0
            self._window = self._source.read(self.at, min(max(length, _WINDOW), self._stop - self.at))
        self.at += length
        return self._window[first : first + length]

    def _require(self, count: int) -> None:
        """Require that so many bytes are left; every value takes at least one."""
        if count > self._stop - self.at:
            raise self._corrupt(f"{count} bytes are needed and {self._stop - self.at} are left")

    def _corrupt(self, reason: str) -> CorruptCheckpoint:
        path = self._source.path
        return CorruptCheckpoint(
            f"the message pack {quoted(str(path))} of {self._source.size} bytes is broken at byte {self.at}: {reason}",
            path=path,
            hint=_HINT,
            offset=self.at,
        )

    def _exceeded(self, depth: int) -> LimitExceeded:
        path = self._source.path
        limit, actual = (MAX_VALUES, self._values) if depth <= MAX_DEPTH else (MAX_DEPTH, depth)
        return LimitExceeded(
            f"the message pack {quoted(str(path))} has {actual} {'values' if depth <= MAX_DEPTH else 'levels'} at byte"
            f" {self.at}, more than {limit}",
            path=path,
            hint=_HINT,
            offset=self.at,
            limit=limit,
            actual=actual,
        )
