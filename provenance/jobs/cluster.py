"""Workers of a Dask cluster: one that runs already, or processes of this machine behind a scheduler of their own."""

from __future__ import annotations

import logging
import time
from concurrent.futures import CancelledError, Executor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from fingerprints.errors import UsageError
from fingerprints.readers.quoting import quoted
from provenance.jobs.category import Category
from provenance.jobs.failure import Failure, failure_of
from provenance.version import DISTRIBUTION, installed

if TYPE_CHECKING:
    from distributed import Client

LOCAL: Final = "local:"
MOST_LOCAL: Final = 1024
PATIENCE: Final = 60.0
"""Seconds in which a scheduler must answer, and the first worker be there."""
FRESH: Final = 1.0
"""Seconds for which the number of workers is believed."""


class Cluster:
    """The workers of a scheduler; see `Crew`. Work under way on a worker that dies is run again by another one.

    Parameters
    ----------
    address : str
        `tcp://HOST:PORT` of a scheduler, or `local:N` for N processes here.

    Raises
    ------
    UsageError
        When there is no such cluster, or its workers cannot do this work.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._size, self._counted = 1, 0.0
        with ExitStack() as opened:
            self.client = _client(address, opened)
            self._executor: Executor | None = None
            _check_workers(self.client, address)
            self._opened = opened.pop_all()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *reason: object) -> None:
        self._opened.close()

    @property
    def size(self) -> int:
        """Threads of all workers; one where there are none now: that piece of work waits for them.

        Raises
        ------
        UsageError
            When the scheduler is gone.
        """
        if time.monotonic() - self._counted > FRESH:
            try:
                threads = self.client.nthreads()
            except OSError as error:
                raise self._gone() from error
            self._size = max(sum(threads.values()), 1)
            self._counted = time.monotonic()
        return self._size

    @property
    def expendable(self) -> bool:
        """Workers are started again by their nannies, and their work is run by others."""
        return True

    def executor(self) -> Executor:
        """The client's executor."""
        if self._executor is None:
            self._executor = self.client.get_executor(pure=False)
        return self._executor

    def let_go(self, *, busy: bool) -> None:
        """Forget what is under way; a worker's thread ends what it does."""
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=not busy)

    def blamed(self, target: str, error: BaseException) -> Failure | None:
        """The target, when several workers died over it.

        Raises
        ------
        UsageError
            When the scheduler is gone.
        """
        from distributed import KilledWorker

        if isinstance(error, CancelledError):
            raise self._gone()
        if isinstance(error, KilledWorker):
            return Failure(target=target, category=Category.CRASHED, message="the workers' processes died over it")
        return failure_of(target, error)

    def _gone(self) -> UsageError:
        return UsageError(
            f"the scheduler at {quoted(self.address)} is gone",
            hint="start it, and this scan again: it goes on where it was",
        )


def check_address(address: str) -> None:
    """Find out before the work whether `address` can be one.

    Raises
    ------
    UsageError
        When it cannot, or Dask is not installed.
    """
    number = address.removeprefix(LOCAL)
    if address.startswith(LOCAL):
        if not (number.isascii() and number.isdecimal() and len(number) < 6 and 0 < int(number) <= MOST_LOCAL):
            raise UsageError(f"{address!a} names no number of workers", hint="write local:4 for four processes")
    elif not address.startswith(("tcp://", "tls://")):
        raise UsageError(
            f"{address!a} is no cluster", hint="write tcp://HOST:8786 for a scheduler, or local:4 for four processes"
        )
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "a cluster needs dask's distributed, which is not installed",
            hint="pip install 'provenance-auditor[cluster]'",
        ) from error


def _client(address: str, opened: ExitStack) -> Client:
    check_address(address)
    from distributed import Client, LocalCluster

    where: str | LocalCluster = address
    if address.startswith(LOCAL):
        where = opened.enter_context(
            LocalCluster(
                n_workers=int(address.removeprefix(LOCAL)),
                threads_per_worker=1,
                dashboard_address=None,
                silence_logs=logging.ERROR,
            )
        )
    try:
        client = opened.enter_context(Client(where, timeout=PATIENCE, set_as_default=False))
        client.wait_for_workers(1, timeout=PATIENCE)
    except (OSError, TimeoutError) as error:
        raise UsageError(
            f"no scheduler with workers answers at {quoted(address)}",
            hint="start one: `dask scheduler`, and `dask worker tcp://HOST:8786` where the work is to be done",
        ) from error
    return client


def _check_workers(client: Client, address: str) -> None:
    """Every worker has this program, in this version: another one may find other numbers."""
    ours = installed(DISTRIBUTION)
    for worker, theirs in client.run(installed, DISTRIBUTION, on_error="return").items():
        if theirs != ours:
            found = f"version {theirs}" if isinstance(theirs, str) else "none that can be imported"
            raise UsageError(
                f"worker {worker} of {quoted(address)} has another {DISTRIBUTION} than this one: {found}, not {ours}",
                hint=f"pip install '{DISTRIBUTION}=={ours}' where the workers run",
            )
