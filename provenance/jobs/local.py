"""Workers on this machine: processes, or threads of this one."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from enum import StrEnum
from multiprocessing.connection import Connection

from provenance.jobs.failure import Failure, failure_of
from provenance.jobs.worker import live_with


class Workers(StrEnum):
    """What work runs in."""

    PROCESSES = "processes"
    THREADS = "threads"


class Local:
    """`size` workers; see `Crew`.

    When a process dies, the pool is lost with it, and which piece of work it died over is not told.
    """

    def __init__(self, size: int, workers: Workers = Workers.PROCESSES) -> None:
        self._size = size
        self._workers = workers
        self._executor: Executor | None = None
        self._lifeline: tuple[Connection, Connection] | None = None

    @property
    def size(self) -> int:
        """How many there are."""
        return self._size

    @property
    def expendable(self) -> bool:
        """Processes are; threads are those of the scan."""
        return self._workers is Workers.PROCESSES

    def executor(self) -> Executor:
        """The pool."""
        if self._executor is None:
            self._executor = self._opened()
        return self._executor

    def let_go(self, *, busy: bool) -> None:
        """Close the pool; processes that are at work end at once."""
        executor, lifeline = self._executor, self._lifeline
        self._executor = self._lifeline = None
        if lifeline is not None and busy:
            lifeline[1].close()
        if executor is not None:
            executor.shutdown(wait=True, cancel_futures=True)
        for end in lifeline or ():
            end.close()

    def blamed(self, target: str, error: BaseException) -> Failure | None:
        """Nobody, where the pool broke."""
        return None if isinstance(error, BrokenExecutor) else failure_of(target, error)

    def _opened(self) -> Executor:
        if self._workers is Workers.THREADS:
            return ThreadPoolExecutor(self._size)
        # Fresh interpreters: nothing of this process, such as its connection to a results file, reaches them.
        context = multiprocessing.get_context("spawn")
        self._lifeline = context.Pipe(duplex=False)
        return ProcessPoolExecutor(self._size, mp_context=context, initializer=live_with, initargs=self._lifeline[:1])
