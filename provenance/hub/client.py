"""Requests to a Hub: connections are reused, passing failures tried again, and lasting ones said in plain words."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import httpx2
from huggingface_hub import constants, get_session, get_token
from huggingface_hub.errors import OfflineModeIsEnabled

from fingerprints.errors import Unavailable
from fingerprints.readers.quoting import quoted
from provenance.hub.pace import Pace, close_for
from provenance.hub.patience import Patience
from provenance.hub.traffic import Traffic
from provenance.version import DISTRIBUTION, installed

MAX_DOCUMENT: Final = 1 << 26
"""Bytes of the largest listing that is read."""
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_RETRY: Final = "try again later; what was fetched before is not kept"

T = TypeVar("T")


class RefusedError(Unavailable):
    """The Hub answered with `status`, and asking again would not help."""

    def __init__(self, message: str, *, hint: str, status: int, cause: str) -> None:
        super().__init__(message, hint=hint, cause=cause)
        self.status = status


class AgainError(Exception):
    """An answer that may be another one the next time; `after` seconds, where the server says so."""

    def __init__(self, reason: str, after: float | None = None, *, cause: str = "unreachable") -> None:
        super().__init__(reason)
        self.after, self.cause = after, cause


class Client:
    """Asks one Hub.

    Parameters
    ----------
    traffic : Traffic
        Counts what is asked and what comes.
    patience : Patience
        How long and how often.
    pace : Pace, optional
        How fast.
    """

    def __init__(self, traffic: Traffic, patience: Patience, pace: Pace | None = None) -> None:
        self.traffic, self.patience, self.pace = traffic, patience, pace or Pace()
        self.endpoint = constants.ENDPOINT.rstrip("/")

    def document(self, url: str, name: str) -> tuple[Any, str | None]:
        """Return the JSON at `url`, and the address of the next page.

        Raises
        ------
        Unavailable
            When it cannot be had, or is no JSON.
        """

        def ask() -> tuple[bytes, str | None]:
            with self.answer(url, name, {}) as response:
                body = b"".join(self.body(response, MAX_DOCUMENT, name, decoded=True))
                following = response.links.get("next", {}).get("url")
                return body, following if following is None else str(response.url.join(following))

        body, following = self.persist(ask, name)
        if following is not None and not self.is_own(following):
            raise Unavailable(f"the listing of {quoted(name)} goes on at another server", hint=_RETRY)
        try:
            return json.loads(body), following
        except (ValueError, RecursionError) as error:
            raise Unavailable(
                f"what {self.endpoint} says about {quoted(name)} is no JSON ({len(body)} bytes)",
                hint="check HF_ENDPOINT: it must be the address of a Hub",
            ) from error

    @contextmanager
    def answer(self, url: str, name: str, headers: Mapping[str, str]) -> Iterator[httpx2.Response]:
        """Ask once, redirections followed; the token goes to the Hub alone.

        Raises
        ------
        Unavailable
            When asking again would not help.
        AgainError
            When it may.
        """
        token = get_token() if self.is_own(url) else None
        own = {"User-Agent": f"{DISTRIBUTION}/{installed(DISTRIBUTION)}"}
        own |= {} if token is None else {"Authorization": f"Bearer {token}"}
        timeout = httpx2.Timeout(self.patience.silence)
        if closed := self.pace.wait(self._counted_as(url), self.patience.longest_wait):
            raise self._closed(closed, name)
        self.traffic.asking(name)
        with get_session().stream("GET", url, headers={**own, **headers}, timeout=timeout) as response:
            self.traffic.redirected(len(response.history))
            self._heed([*response.history, response])
            if response.status_code in _PASSING:
                cause = "rate-limited" if response.status_code == 429 else "unreachable"
                raise AgainError(f"it answered {response.status_code}", _asked_to_wait(response.headers), cause=cause)
            if response.status_code >= 400:
                raise self._refusal(response, name)
            yield response

    def body(self, response: httpx2.Response, limit: int, name: str, *, decoded: bool = False) -> Iterator[bytes]:
        """Yield what is answered, as it comes, and no more than `limit` bytes.

        Raises
        ------
        Unavailable
            When there is more.
        AgainError
            When it comes too slowly.
        """
        began, count = time.monotonic(), 0
        for chunk in response.iter_bytes() if decoded else response.iter_raw():
            self.traffic.came(len(chunk))
            count += len(chunk)
            if count > limit:
                raise Unavailable(f"the answer for {quoted(name)} is longer than the {limit} bytes asked for")
            taken = time.monotonic() - began
            if taken > self.patience.grace and count < self.patience.slowest * taken:
                raise AgainError(f"{count} bytes came in {taken:.0f} seconds")
            yield chunk

    def persist(self, ask: Callable[[], T], name: str) -> T:
        """Call `ask` until it answers.

        Raises
        ------
        Unavailable
            When it never does, or is told to wait for longer than is waited.
        """
        patience = self.patience
        wait = patience.first_wait
        for attempt in range(1, patience.attempts + 1):
            after: float | None = None
            cause = "unreachable"
            try:
                return ask()
            except AgainError as error:
                reason, after, cause = str(error), error.after, error.cause
            except OfflineModeIsEnabled as error:
                raise Unavailable(f"{quoted(name)} is asked for offline", hint="unset HF_HUB_OFFLINE") from error
            except httpx2.TransportError as error:
                reason = f"{type(error).__name__}: {str(error)[:200]}" if str(error) else type(error).__name__
            except httpx2.RequestError as error:
                raise Unavailable(f"{quoted(name)} cannot be asked for: {str(error)[:200]}", hint=_RETRY) from error
            if after is not None and after > patience.longest_wait:
                raise self._closed(after, name)
            if attempt < patience.attempts:
                time.sleep(wait if after is None else max(after, wait))
                wait = min(2 * wait, patience.longest_wait)
        raise Unavailable(
            f"{quoted(name)} could not be fetched from {self.endpoint} in {patience.attempts} attempts;"
            f" the last: {reason}",
            hint="check the connection; HF_HUB_OFFLINE=1 reads what was downloaded before",
            cause=cause,
        )

    def is_own(self, url: str) -> bool:
        """Whether a URL leads to the Hub itself, which alone may see the token."""
        return urlsplit(url)[:2] == urlsplit(self.endpoint)[:2]

    def _heed(self, answers: Sequence[httpx2.Response]) -> None:
        """Leave the Hub alone where it says that this request was the last one for a while."""
        for each in answers:
            wait = _asked_to_wait(each.headers) if self.is_own(str(each.url)) else None
            if wait is not None:
                close_for(self._counted_as(str(each.url)), wait)

    def _counted_as(self, url: str) -> str:
        """What a request counts as: a Hub allows so many to its API, and others for files."""
        place = urlsplit(url)
        return f"{place.scheme}://{place.netloc}{'/api' if place.path.startswith('/api/') else ''}"

    def _closed(self, seconds: float, name: str) -> Unavailable:
        return Unavailable(
            f"{self.endpoint} asks to wait {seconds:.0f} seconds before {quoted(name)} is asked for again",
            hint="wait so long; with a token in HF_TOKEN more requests are granted",
            cause="rate-limited",
        )

    def _refusal(self, response: httpx2.Response, name: str) -> RefusedError:
        """Why the Hub does not give what it was asked for."""
        code, status = response.headers.get("X-Error-Code"), response.status_code
        shown, hint = quoted(name), _RETRY
        if code == "GatedRepo":
            message = f"{shown} is gated: its owners grant access one by one"
            hint = f"accept its terms on {self.endpoint}, and put a token that may read it into HF_TOKEN"
        elif code == "RevisionNotFound":
            message, hint = f"{shown} has no such revision", "give a branch, a tag or a commit after the @"
        elif code == "EntryNotFound":
            message, hint = f"{shown} is not there", "the repository may have changed; try again"
        elif status == 401 and "credentials" in response.headers.get("X-Error-Message", "").lower():
            message, hint = f"{self.endpoint} does not know the token", "renew HF_TOKEN, or unset it"
        elif code == "RepoNotFound" or status in (401, 404):
            message = f"there is no file or folder {shown}, and {self.endpoint} shows no repository of that name"
            hint = "check the spelling; a private repository needs a token in HF_TOKEN"
        else:
            message = f"{shown} is refused: {self.endpoint} answered {status}"
        cause = "unreachable"
        if code == "GatedRepo" or status == 403:
            cause = "gated"
        elif code in ("RevisionNotFound", "EntryNotFound", "RepoNotFound") or status in (401, 404):
            cause = "missing"
        return RefusedError(message, hint=hint, status=status, cause=cause)


def _asked_to_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds, from `Retry-After` as a number or a date, or from an exhausted `RateLimit`."""
    given = headers.get("retry-after", "").strip()
    if given.isdecimal() and len(given) < 10:
        return float(given)
    if given:
        try:
            return max(parsedate_to_datetime(given).timestamp() - time.time(), 0.0)
        except ValueError:
            return None
    limit = dict(part.strip().partition("=")[::2] for part in headers.get("ratelimit", "").split(";"))
    return float(limit["t"]) if limit.get("r") == "0" and limit.get("t", "").isdecimal() else None
