"""A regular file that is read by position: bounded, counted on by several threads, never memory-mapped."""

from __future__ import annotations

import io
import os
import stat
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from fingerprints.errors import CheckpointError, CorruptCheckpoint, NotACheckpoint
from fingerprints.readers.mount import Span, mount_of
from fingerprints.readers.quoting import quoted

_LARGEST_READ = 1 << 30


class Region(Protocol):
    """Bytes that can be read by position, wherever they lie."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    def read_into(self, view: memoryview, offset: int) -> None:
        """Fill `view` with the bytes at `offset`."""
        ...

    def check(self) -> None:
        """Raise CorruptCheckpoint if the file is no longer the one that was opened."""
        ...


class SourceFile:
    """A file that is opened when first read, and checked to be still the same one.

    Raises
    ------
    NotACheckpoint
        When there is no regular file at `path` that may be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            found = path.stat()
        except FileNotFoundError as error:
            raise _absent(path) from error
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error
        if not stat.S_ISREG(found.st_mode):
            raise NotACheckpoint(
                f"{quoted(str(path))} is not a regular file (mode {stat.filemode(found.st_mode)})",
                path=path,
                hint="give a checkpoint file, or the folder that holds one",
            )
        self.size = found.st_size
        self._identity = _identity(found)
        self._mount = mount_of(path)
        self._handle: int | None = None
        self._lock = threading.Lock()

    def read(self, offset: int, count: int) -> bytes:
        """Return the `count` bytes at `offset`."""
        buffer = bytearray(count)
        self.read_into(memoryview(buffer), offset)
        return bytes(buffer)

    def head(self, count: int = 64) -> bytes:
        """Return the first `count` bytes, or all there are."""
        return self.read(0, min(count, self.size))

    def read_into(self, view: memoryview, offset: int) -> None:
        """Fill `view` with the bytes at `offset`; several threads may do so at once."""
        if self._mount is not None and view:
            self._mount.fill(self.path, ((offset, offset + len(view)),), exact=False)
        handle = self._handle if self._handle is not None else self._open()
        try:
            while view:
                count = os.preadv(handle, [view[:_LARGEST_READ]], offset)
                if not count:
                    raise CorruptCheckpoint(
                        f"{quoted(str(self.path))} ended early: {len(view)} bytes are missing at byte {offset},"
                        f" though it had {self.size} bytes when it was opened",
                        path=self.path,
                        offset=offset,
                        hint="the file was shortened while it was read; wait until it is complete and try again",
                    )
                view = view[count:]
                offset += count
        except OSError as error:
            raise _unreadable(self.path, error) from error

    def announce(self, spans: Sequence[Span]) -> None:
        """Fetch bytes that are read next, and no others, if the file is not here in full."""
        if self._mount is not None:
            self._mount.fill(self.path, spans, exact=True)

    def prefetch(self, offset: int, count: int) -> None:
        """Ask the system, where it can be asked, to fetch these bytes from the disk while others are worked on."""
        if self._mount is None and hasattr(os, "posix_fadvise"):
            handle = self._handle if self._handle is not None else self._open()
            with suppress(OSError):
                os.posix_fadvise(handle, offset, count, os.POSIX_FADV_WILLNEED)

    def check(self) -> None:
        """Raise CorruptCheckpoint if size or modification time are no longer those of the opened file."""
        handle = self._handle if self._handle is not None else self._open()
        self._compare(os.fstat(handle))

    def close(self) -> None:
        """Give the file handle back; a later read opens the file again."""
        with self._lock:
            if self._handle is not None:
                os.close(self._handle)
                self._handle = None

    def _open(self) -> int:
        with self._lock:
            if self._handle is None:
                try:
                    handle = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                except OSError as error:
                    raise _unreadable(self.path, error) from error
                try:
                    self._compare(os.fstat(handle))
                except CorruptCheckpoint:
                    os.close(handle)
                    raise
                self._handle = handle
            return self._handle

    def _compare(self, found: os.stat_result) -> None:
        if self._mount is None and _identity(found) != self._identity:
            raise CorruptCheckpoint(
                f"{quoted(str(self.path))} changed while it was read: it had {self.size} bytes,"
                f" and has {found.st_size} now",
                path=self.path,
                hint="wait until nothing writes to it any more and try again",
            )


class WindowStream(io.RawIOBase):
    """Bytes `[start:stop]` of a file as a stream, for parsers that want one; wrap it in a BufferedReader."""

    def __init__(self, source: SourceFile, start: int, stop: int) -> None:
        super().__init__()
        self._source, self._start, self._stop, self._at = source, start, stop, start

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move within the window."""
        base = {os.SEEK_SET: self._start, os.SEEK_CUR: self._at, os.SEEK_END: self._stop}[whence]
        self._at = max(self._start, base + offset)
        return self._at - self._start

    def readinto(self, buffer: object) -> int:
        """Fill `buffer` with what is left of the window, and return how much that was."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        count = min(len(view), max(0, self._stop - self._at))
        self._source.read_into(view[:count], self._at)
        self._at += count
        return count


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _absent(path: Path) -> CheckpointError:
    if path.is_symlink():
        return NotACheckpoint(
            f"{quoted(str(path))} is a link to a file that is not there", path=path, hint="download the file anew"
        )
    return NotACheckpoint(f"there is no file {quoted(str(path))}", path=path, hint="check the spelling of the path")


def _unreadable(path: Path, error: OSError | ValueError) -> CheckpointError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return NotACheckpoint(
        f"{quoted(str(path))} cannot be read: {reason}",
        path=path,
        hint="check the path, its permissions and the disk it lies on",
    )
