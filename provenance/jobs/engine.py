"""Many pieces of work at once, over any `concurrent.futures.Executor`, through workers that die.

As many pieces are under way as there are workers, so that a crash costs no more than those. Where workers are lost and
it is not told over which piece, all that were under way are tried again one by one, and one that ends alone in the same
way is a failure.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from dataclasses import dataclass
from typing import Any

from provenance.jobs.category import Category
from provenance.jobs.crew import Crew
from provenance.jobs.failure import Failure
from provenance.jobs.worker import attempt

Item = tuple[str, Any]
"""What a piece of work is called, and what it is given."""


def _as_it_is(value: Any) -> Any:
    """Nothing has to be asked."""
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is done with every item: `work(admit(value))`, in at most `limit` seconds.

    Attributes
    ----------
    work : callable
        Processes are sent it: a function of a module, or a `partial` of one with plain data.
    admit : callable
        Asked before each attempt, here: what the work is given, or None where it cannot begin before something that is
        under way has ended.
    limit : float or None
        Seconds.
    """

    work: Callable[[Any], Any]
    admit: Callable[[Any], Any] = _as_it_is
    limit: float | None = None


class Engine:
    """Has a crew do what there is to do; a context manager that leaves no work under way."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._busy = False

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *reason: object) -> None:
        self._let_go()

    def run(self, task: Task, items: Iterable[Item]) -> Iterator[tuple[str, Any]]:
        """Yield the outcome of every item under its name, in any order: what `work` returned, or a `Failure`.

        Items that are not admitted though nothing is under way any more have no outcome, nor has what comes after them.
        """
        waiting = deque(items)
        open_ = True
        while waiting and open_:
            open_, suspects = yield from self._together(task, waiting)
            for item in suspects:
                given = task.admit(item[1])
                if given is None:
                    return
                yield item[0], self._alone(task, item[0], given)

    def _together(self, task: Task, waiting: deque[Item]) -> Generator[tuple[str, Any], None, tuple[bool, list[Item]]]:
        """Work on all that wait, until none does or workers are lost; whether there may be more to do, and what was
        under way in the end.
        """
        running: dict[Future[Any], Item] = {}
        while True:
            try:
                while waiting and len(running) < self._crew.size:
                    given = task.admit(waiting[0][1])
                    if given is None:
                        break
                    future = self._submitted(task, waiting[0][0], given)
                    running[future] = waiting.popleft()
                if not running:
                    return False, []
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in sorted(done, key=_is_broken):
                    outcome = self._outcome(future, running[future][0])
                    name, _ = running.pop(future)
                    self._busy = bool(running)
                    yield name, outcome
            except BrokenExecutor:
                self._let_go()
                return True, list(running.values())

    def _alone(self, task: Task, name: str, given: Any) -> Any:
        started = time.monotonic()
        try:
            outcome = self._outcome(self._submitted(task, name, given), name)
        except BrokenExecutor:
            self._let_go()
            late = task.limit is not None and time.monotonic() - started >= task.limit
            return Failure(
                target=name,
                category=Category.TIMEOUT if late else Category.CRASHED,
                message=f"not finished after {task.limit:g} s" if late else "the worker's process died over it",
            )
        self._busy = False
        return outcome

    def _submitted(self, task: Task, name: str, given: Any) -> Future[Any]:
        self._busy = True
        return self._crew.executor().submit(attempt, task.work, name, given, task.limit, self._crew.expendable)

    def _outcome(self, future: Future[Any], name: str) -> Any:
        """What came of a piece of work; a pool that is broken is an exception here, too."""
        error = _error_of(future)
        if error is None:
            return future.result()
        blamed = self._crew.blamed(name, error)
        if blamed is None:
            raise error
        return blamed

    def _let_go(self) -> None:
        self._crew.let_go(busy=self._busy)
        self._busy = False


def _is_broken(future: Future[Any]) -> bool:
    """Those come last: what else has ended by then is whole, and need not be repeated."""
    return isinstance(_error_of(future), BrokenExecutor)


def _error_of(future: Future[Any]) -> BaseException | None:
    return CancelledError() if future.cancelled() else future.exception()
