"""Part of a file that is a file of its own: a checkpoint inside an archive, a saved tensor inside a shard."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from fingerprints.errors import CorruptCheckpoint
from fingerprints.readers.mount import Span
from fingerprints.readers.quoting import quoted
from fingerprints.readers.source import SourceFile


class SourceWindow(SourceFile):
    """The `size` bytes of `source` from `start` on; positions count from there. Handles are those of `source`."""

    def __init__(self, source: SourceFile, start: int, size: int) -> None:
        self.path, self.size = source.path, size
        self._source, self._start = source, start
        self._handle, self._lock = None, threading.Lock()

    def read_into(self, view: memoryview, offset: int) -> None:
        """Fill `view` with the bytes at `offset`, which must lie in the window."""
        if not 0 <= offset <= self.size - len(view):
            raise CorruptCheckpoint(
                f"{len(view)} bytes at byte {offset} are not in the {self.size} bytes that lie at byte {self._start}"
                f" of {quoted(str(self.path))}",
                path=self.path,
                hint="the file is damaged; download it again",
                offset=self._start + offset,
                limit=self.size,
            )
        self._source.read_into(view, self._start + offset)

    def announce(self, spans: Sequence[Span]) -> None:
        """Fetch bytes that are read next, if the file is not here in full."""
        self._source.announce([(self._start + start, self._start + stop) for start, stop in spans])

    def prefetch(self, offset: int, count: int) -> None:
        """Ask the system to fetch these bytes from the disk while others are worked on."""
        self._source.prefetch(self._start + offset, count)

    def check(self) -> None:
        """Raise CorruptCheckpoint if the file is no longer the one that was opened."""
        self._source.check()

    def close(self) -> None:
        """Give the file handle back; a later read opens the file again."""
        self._source.close()
