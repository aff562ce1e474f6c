"""Stretches of one file, fetched by HTTP ranges from a version of it that may not change meanwhile."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Final

import httpx2

from fingerprints.errors import Unavailable
from fingerprints.readers.mount import Span
from fingerprints.readers.quoting import quoted
from provenance.hub.client import AgainError, Client, RefusedError

SMALL: Final = 1 << 20
"""A file of so many bytes may be answered as a whole by a server that knows no ranges."""
_RANGE: Final = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19})")
_POINTER: Final = b"version https://git-lfs"
_MOVED: Final = (401, 403, 404, 410)

Sink = Callable[[int, bytes], None]


class RangedFile:
    """A file at a URL; see the module.

    Parameters
    ----------
    client : Client
        Who asks.
    url, name : str
        Where the file is, and what messages call it.
    size : int
        Its bytes, as the listing has it.
    whole : bool
        Whether a file of any size may be answered as a whole.
    """

    def __init__(self, client: Client, url: str, name: str, size: int, *, whole: bool) -> None:
        self._client, self._url, self._name, self._size, self._whole = client, url, name, size, whole
        self._direct: str | None = None
        self._tag: str | None = None
        self._lock = threading.Lock()

    def fetch(self, span: Span, sink: Sink) -> None:
        """Hand the bytes of `span` to `sink`, with their places, in order; none twice, though a connection may break.

        Raises
        ------
        Unavailable
            When they cannot be had, or the file is not the one that was listed.
        """
        at, stop = span

        def ask() -> None:
            nonlocal at
            direct = self._direct
            try:
                with self._client.answer(direct or self._url, self._name, _headers(at, stop)) as response:
                    self._check(response, at, stop)
                    ranged = response.status_code == 206
                    place, end = (at, stop) if ranged else (0, self._size)
                    for chunk in self._client.body(response, end - place, self._name):
                        sink(place, chunk)
                        place += len(chunk)
                        at = place if ranged else at
            except RefusedError as error:
                if direct is None or error.status not in _MOVED:
                    raise
                self._direct = None
                raise AgainError("its address has expired") from error
            if place < end:
                raise AgainError(f"{end - place} of {end - span[0]} bytes are missing")

        self._client.persist(ask, self._name)

    def _check(self, response: httpx2.Response, start: int, stop: int) -> None:
        """Require that an answer is the stretch that was asked for, of the same version of the file as before."""
        if response.headers.get("content-encoding", "identity") != "identity":
            raise self._wrong("comes compressed, in which no byte can be found by its place")
        if response.status_code == 206:
            found = _RANGE.fullmatch(response.headers.get("content-range", ""))
            if found is None or int(found[1]) != start or int(found[2]) != stop - 1:
                raise self._wrong(f"is answered with other bytes than {start} to {stop - 1}")
            total = int(found[3])
        else:
            total = int(length) if (length := response.headers.get("content-length", "")).isdecimal() else -1
        if total != self._size:
            head = next(response.iter_raw(), b"")[: len(_POINTER)]
            what = "a pointer to large file storage" if head == _POINTER else f"{total} bytes"
            raise self._wrong(f"is {what}, and {self._size} bytes are listed")
        if response.status_code != 206 and self._size > SMALL and not self._whole:
            raise Unavailable(
                f"{quoted(self._name)} can only be fetched as a whole: {self._size} bytes",
                hint="allow that with --allow-download",
            )
        self._pin(response)

    def _pin(self, response: httpx2.Response) -> None:
        """Require one ETag of all answers, and remember where a redirection led."""
        tag = response.headers.get("etag", "").removeprefix("W/").strip('"')
        with self._lock:
            if self._tag is not None and tag != self._tag:
                raise self._wrong("changed while it was read")
            self._tag = tag
            if response.history and not self._client.is_own(str(response.url)):
                self._direct = str(response.url)

    def _wrong(self, reason: str) -> Unavailable:
        return Unavailable(f"{quoted(self._name)} {reason}", hint="the repository or a proxy is at fault; try again")


def _headers(start: int, stop: int) -> dict[str, str]:
    return {"Range": f"bytes={start}-{stop - 1}", "Accept-Encoding": "identity"}
