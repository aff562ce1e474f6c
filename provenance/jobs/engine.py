"""Many pieces of work at once, over any `concurrent.futures.Executor`, through workers that die.

As many pieces are under way as there are workers, so that a crash costs no more than those. When a process dies, the
pool is lost with it, and which piece it died over is not told: all that were under way are tried again one by one, and
one that ends alone in the same way is a failure.
"""

from __future__ import annotations

import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing.connection import Connection
from typing import Any

from provenance.jobs.category import Category
from provenance.jobs.failure import Failure
from provenance.jobs.worker import attempt, live_with

Item = tuple[str, Any]
"""What a piece of work is called, and what it is given."""


class Workers(StrEnum):
    """What work runs in."""

    PROCESSES = "processes"
    THREADS = "threads"


def _ignore(target: str) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is done with every item: `work(item)`, in at most `limit` seconds; `started` is told before each attempt.

    Processes are sent `work`: it is a function of a module, or a `partial` of one with plain data.
    """

    work: Callable[[Any], Any]
    started: Callable[[str], None] = _ignore
    limit: float | None = None


class Engine:
    """`jobs` local workers; a context manager that leaves none behind."""

    def __init__(self, *, jobs: int, workers: Workers = Workers.PROCESSES) -> None:
        self._jobs = jobs
        self._workers = workers
        self._executor: Executor | None = None
        self._lifeline: tuple[Connection, Connection] | None = None
        self._busy = False

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *reason: object) -> None:
        self._discard()

    def run(self, task: Task, items: Iterable[Item]) -> Iterator[tuple[str, Any]]:
        """Yield the outcome of every item under its name, in any order: what `work` returned, or a `Failure`."""
        waiting = deque(items)
        while waiting:
            suspects = yield from self._together(task, waiting)
            for item in suspects:
                yield item[0], self._alone(task, item)

    def _together(self, task: Task, waiting: deque[Item]) -> Generator[tuple[str, Any], None, list[Item]]:
        """Work on all that wait, until none does or the pool breaks; returns what was under way then."""
        running: dict[Future[Any], Item] = {}
        while waiting or running:
            try:
                while waiting and len(running) < self._jobs:
                    running[self._submitted(task, waiting[0])] = waiting[0]
                    waiting.popleft()
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in sorted(done, key=_is_broken):
                    outcome = future.result()
                    name, _ = running.pop(future)
                    self._busy = bool(running)
                    yield name, outcome
            except BrokenExecutor:
                self._discard()
                return list(running.values())
        return []

    def _alone(self, task: Task, item: Item) -> Any:
        started = time.monotonic()
        try:
            outcome = self._submitted(task, item).result()
        except BrokenExecutor:
            self._discard()
            late = task.limit is not None and time.monotonic() - started >= task.limit
            return Failure(
                target=item[0],
                category=Category.TIMEOUT if late else Category.CRASHED,
                message=f"not finished after {task.limit:g} s" if late else "the worker's process died over it",
            )
        self._busy = False
        return outcome

    def _submitted(self, task: Task, item: Item) -> Future[Any]:
        if self._executor is None:
            self._executor = self._opened()
        name, value = item
        task.started(name)
        self._busy = True
        return self._executor.submit(attempt, task.work, name, value, task.limit)

    def _opened(self) -> Executor:
        if self._workers is Workers.THREADS:
            return ThreadPoolExecutor(self._jobs)
        # Fresh interpreters: nothing of this process, such as its connection to a results file, reaches them.
        context = multiprocessing.get_context("spawn")
        self._lifeline = context.Pipe(duplex=False)
        return ProcessPoolExecutor(self._jobs, mp_context=context, initializer=live_with, initargs=self._lifeline[:1])

    def _discard(self) -> None:
        """Let go of the workers; processes that are at work end at once."""
        executor, lifeline = self._executor, self._lifeline
        self._executor = self._lifeline = None
        if lifeline is not None and self._busy:
            lifeline[1].close()
        if executor is not None:
            executor.shutdown(wait=True, cancel_futures=True)
        for end in lifeline or ():
            end.close()
        self._busy = False


def _is_broken(future: Future[Any]) -> bool:
    """Those come last: what else has ended by then is whole, and need not be repeated."""
    return isinstance(future.exception(), BrokenExecutor)
