"""What one comparison may spend: how much is looked at, for how long, and what the budget of the Hub leaves out."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import OverBudget
from provenance.device import resolve_device
from provenance.hub.fetched import Fetched
from provenance.hub.thrift import THRIFTY, Sampling, affordable
from provenance.options import Options
from provenance.result import NotMeasured
from provenance.thresholds import thresholds

DEFAULT_ROWS = 256
TINY_ROWS = 512


class Allowance:
    """The means of one comparison.

    Attributes
    ----------
    started : float
        `time.monotonic()` when it began.
    device : str
        Where products are computed.
    threads : int
        How many read and compute.
    fetched : Fetched
        What is fetched from the Hub, and how much of it.
    affordable : bool
        The budget holds both sides whole.
    cheap : bool
        Both sides are small enough to be read whole as a matter of course.
    whole : bool
        They are read whole, for that reason or because it was asked for.
    sampling : Sampling
        What is looked at otherwise.
    left_out : list of NotMeasured
        What the budget did not hold, so far.
    """

    def __init__(self, stored: tuple[Checkpoint, Checkpoint], options: Options) -> None:
        self.started = time.monotonic()
        self.device = resolve_device(options.device)
        self.threads = options.threads or usable_cores()
        self.fetched = Fetched.of(stored)
        self.left_out: list[NotMeasured] = []
        self._limit = options.time_limit
        larger = max(side.bytes_total for side in stored)
        self.affordable = self.fetched.affordable(stored)
        self.cheap = larger <= thresholds().small_checkpoint_bytes and self.affordable
        self.whole = self.cheap or options.full
        rows = TINY_ROWS if larger <= thresholds().tiny_checkpoint_bytes else DEFAULT_ROWS
        self.sampling = self._sampling(stored, options, rows)

    @property
    def deadline(self) -> float | None:
        """`time.monotonic()` when the time is up; None without a limit."""
        return None if self._limit is None else self.started + self._limit

    @property
    def late(self) -> bool:
        """Whether nothing more should be begun."""
        return self.fetched.nearly_spent or (self.deadline is not None and time.monotonic() > self.deadline)

    @property
    def thrifty(self) -> bool:
        """Whether the budget made the sample smaller than it would be."""
        return self.sampling in THRIFTY

    def grants(self, signal: str, subject: str) -> bool:
        """Whether the budget leaves room for what is not always needed; noted where it does not."""
        if self.thrifty:
            self._leave_out(signal, subject)
        return not self.thrifty

    @contextmanager
    def tolerant(self, signal: str, subject: str) -> Iterator[None]:
        """Go on without what the budget turned out not to hold."""
        try:
            yield
        except OverBudget:
            self._leave_out(signal, subject)

    def _leave_out(self, signal: str, subject: str) -> None:
        reason = "the budget for what is fetched does not hold it"
        self.left_out.append(NotMeasured(signal=signal, subject=subject, reason=reason))

    def _sampling(self, stored: tuple[Checkpoint, Checkpoint], options: Options, rows: int) -> Sampling:
        """What is looked at: as asked, or what the budget allows each side that is fetched."""
        wanted = Sampling(rows=options.rows or rows, layers=options.layers)
        share = self.fetched.share
        if share is None or self.whole or options.rows is not None:
            return wanted
        return min(
            (affordable(wanted, stored[place].tensors, share) for place in self.fetched.remote),
            key=lambda sampling: (sampling.rows, sampling.layers),
        )


def usable_cores() -> int:
    """Cores that this process may use, where the system tells; else all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
