"""What goes over the network in one run: counted, and stopped where the budget ends."""

from __future__ import annotations

import threading

from fingerprints.errors import OverBudget, Unavailable
from fingerprints.readers.quoting import quoted

NEARLY = 0.8
"""Share of the budget from which nothing is begun that can be left out."""


class Traffic:
    """Requests and bytes of all repositories of a run.

    Parameters
    ----------
    budget : int or None
        Bytes of files that may be fetched; None for any number. How much is looked at depends on it.
    most_requests : int or None
        Requests that may be made; None for any number.
    most_bytes : int or None
        Bytes of files after which the run is broken off, for reasons of others than itself: nothing depends on it, so
        that what is found does not either.
    """

    def __init__(self, budget: int | None, *, most_requests: int | None = None, most_bytes: int | None = None) -> None:
        self.budget, self.most_requests, self.most_bytes = budget, most_requests, most_bytes
        self.requests = 0
        self.bytes_fetched = 0
        self._promised = 0
        self._lock = threading.Lock()

    @property
    def nearly_spent(self) -> bool:
        """Whether little of the budget is left."""
        return self.budget is not None and self._promised >= NEARLY * self.budget

    @property
    def left(self) -> int | None:
        """Bytes that may still be fetched; None for any number."""
        return None if self.budget is None else max(self.budget - self._promised, 0)

    def promise(self, count: int, name: str) -> None:
        """Set `count` bytes of a file apart before they are asked for.

        Raises
        ------
        OverBudget
            When the budget does not hold so many: a smaller sample may.
        Unavailable
            When the run is to be broken off.
        """
        with self._lock:
            if self.most_bytes is not None and self._promised + count > self.most_bytes:
                raise _broken_off(f"{count} more bytes, and {self._promised} of {self.most_bytes} are fetched", name)
            if self.budget is not None and self._promised + count > self.budget:
                raise OverBudget(
                    f"{count} bytes of {quoted(name)} do not fit into the budget:"
                    f" {self._promised} of {self.budget} bytes are spent",
                    hint="give more with --budget, or --allow-download for as much as it takes",
                )
            self._promised += count

    def asking(self, name: str) -> None:
        """Count a request before it is made.

        Raises
        ------
        Unavailable
            When as many were made as may be.
        """
        with self._lock:
            if self.most_requests is not None and self.requests >= self.most_requests:
                raise _broken_off(f"another request, and {self.requests} of {self.most_requests} are made", name)
            self.requests += 1

    def redirected(self, requests: int) -> None:
        """Count requests that an answer led on to."""
        with self._lock:
            self.requests += requests

    def came(self, count: int) -> None:
        """Count bytes of an answer."""
        with self._lock:
            self.bytes_fetched += count


def _broken_off(reason: str, name: str) -> Unavailable:
    """No `OverBudget`, which those who look at less where a budget is small would take for their own."""
    return Unavailable(f"{quoted(name)} takes {reason}", hint="grant more, or fewer models", cause="over-budget")
