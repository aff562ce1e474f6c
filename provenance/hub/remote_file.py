"""One file of a repository: a sparse local one, into which stretches are fetched as they are read, each once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Final

from fingerprints.errors import AuditError, Unavailable
from fingerprints.readers.mount import Span
from fingerprints.readers.quoting import quoted
from provenance.hub.extents import Extents, coalesced
from provenance.hub.ranges import Sink
from provenance.hub.traffic import Traffic

GAP: Final = 1 << 17
"""Bytes between two stretches that cost less than another request."""
WHOLE: Final = 1 << 21
"""Files of so many bytes are fetched at once."""
LARGEST: Final = 1 << 24
"""Bytes of one request."""
_AHEAD: Final = (1 << 16, 1 << 22)
"""Bytes that are fetched at least where a parser reads on, at first and at most."""

Fetch = Callable[[Span, Sink], None]


class RemoteFile:
    """A file of `size` bytes at `place`, filled by `fetch`; safe for several threads.

    Parameters
    ----------
    place : Path
        The sparse file, which has its full size.
    size : int
        Its bytes.
    fetch : callable
        Hands the bytes of a stretch over.
    pool : ThreadPoolExecutor
        Where stretches are fetched side by side.
    traffic : Traffic or None
        Whose budget it counts against; None where nothing goes over the network.
    """

    def __init__(self, place: Path, size: int, fetch: Fetch, pool: ThreadPoolExecutor, traffic: Traffic | None) -> None:
        self.place, self.size = place, size
        self._fetch, self._pool, self._traffic = fetch, pool, traffic
        self._changed = threading.Condition()
        self._claimed, self._present = Extents(), Extents()
        self._fault: AuditError | None = None
        self._ahead, self._next = _AHEAD[0], -1

    def fill(self, spans: Sequence[Span], *, exact: bool) -> None:
        """Have the bytes at `spans`; see `Mount.fill`."""
        wanted = [(max(start, 0), min(stop, self.size)) for start, stop in spans]
        with self._changed:
            mine = self._claim(wanted if exact else [each for span in wanted for each in self._widened(*span)])
            if mine and self._traffic is not None:
                self._traffic.promise(sum(stop - start for start, stop in mine), str(self.place))
            for start, stop in mine:
                self._claimed.add(start, stop)
        if mine:
            self._get(mine)
        with self._changed:
            while self._fault is None and any(self._present.missing(*span) for span in wanted):
                self._changed.wait()
            if self._fault is not None:
                raise self._fault

    def _claim(self, wanted: Iterable[Span]) -> list[Span]:
        """What nobody fetches yet, in requests of a sensible size."""
        asked = [(0, self.size)] if self.size <= WHOLE else coalesced(list(wanted), GAP)
        missing = [piece for span in asked for piece in self._claimed.missing(*span)]
        return [(at, min(at + LARGEST, stop)) for start, stop in missing for at in range(start, stop, LARGEST)]

    def _widened(self, start: int, stop: int) -> list[Span]:
        """What to fetch where a parser reads `[start:stop]`, and is likely to read on."""
        missing = self._claimed.missing(start, stop)
        if not missing:
            return []
        begin = missing[0][0]
        self._ahead = min(2 * self._ahead, _AHEAD[1]) if begin == self._next else _AHEAD[0]
        begin = max(min(begin, self.size - self._ahead), 0)
        self._next = min(max(stop, begin + self._ahead), self.size)
        return [(begin, self._next)]

    def _get(self, spans: Sequence[Span]) -> None:
        fault: AuditError | None = Unavailable(
            f"fetching {quoted(str(self.place))} was broken off", hint="check the disk that temporary files lie on"
        )
        try:
            with self.place.open("r+b", buffering=0) as file:
                tasks = [self._pool.submit(self._get_one, span, file.fileno()) for span in spans[1:]]
                try:
                    self._get_one(spans[0], file.fileno())
                finally:
                    wait(tasks)
                for task in tasks:
                    task.result()
            fault = None
        except AuditError as error:
            fault = error
            raise
        except OSError as error:
            fault = Unavailable(
                f"what comes of {quoted(str(self.place))} cannot be kept: {error.strerror or error}",
                hint="check the disk that temporary files lie on",
            )
            raise fault from error
        finally:
            if fault is not None:
                with self._changed:
                    self._fault = fault
                    self._changed.notify_all()

    def _get_one(self, span: Span, handle: int) -> None:
        self._fetch(span, lambda at, chunk: _write(handle, chunk, at))
        with self._changed:
            self._present.add(*span)
            self._changed.notify_all()


def _write(handle: int, chunk: bytes, at: int) -> None:
    view = memoryview(chunk)
    while view:
        count = os.pwrite(handle, view, at)
        view, at = view[count:], at + count
