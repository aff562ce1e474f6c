"""One piece of work in a worker: the boundary at which every error becomes a value, and nothing outlives its time."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Final, TextIO

from provenance.jobs.category import OverdueError
from provenance.jobs.failure import failure_of

GRACE: Final = 10.0
"""Seconds between the exception that late work gets and the end of its process, for code that never returns."""

SOON: Final = 0.1
"""Seconds in which an exception that was sent to a thread has come."""


def attempt(work: Callable[[Any], Any], target: str, item: Any, limit: float | None, expendable: bool) -> Any:
    """Return `work(item)`, or the failure that says why there is none.

    Parameters
    ----------
    work, item
        What is done, with what.
    target : str
        What it is called.
    limit : float or None
        Seconds that it gets.
    expendable : bool
        Whether this process may be ended where nothing else ends the work.
    """
    try:
        with _time_limit(limit, expendable=expendable):
            return work(item)
    except Exception as error:  # whatever a target holds, the others go on
        return failure_of(target, error)


def live_with(lifeline: Connection) -> None:
    """Prepare a worker's process: it ends when the other end of `lifeline` is closed, by whatever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(lifeline,), daemon=True).start()


def _follow(lifeline: Connection) -> None:
    wait([lifeline])
    os._exit(1)


class _Ends:
    """When the process ends, whatever its threads do: at the first of the times that they set.

    The watch is one of C code, which needs no lock of the interpreter: code that never gives that back is ended, too.
    """

    def __init__(self) -> None:
        self._times: dict[int, float] = {}
        self._lock = threading.Lock()
        self._nowhere: TextIO | None = None

    @contextmanager
    def after(self, seconds: float) -> Iterator[None]:
        """End the process if the block takes so long."""
        thread = threading.get_ident()
        self._set(thread, time.monotonic() + seconds)
        try:
            yield
        finally:
            self._set(thread, None)

    def _set(self, thread: int, end: float | None) -> None:
        with self._lock:
            self._times.pop(thread, None)
            if end is not None:
                self._times[thread] = end
            if not self._times:
                faulthandler.cancel_dump_traceback_later()
                return
            if self._nowhere is None:
                self._nowhere = Path(os.devnull).open("w")  # noqa: SIM115 - it stays open as long as the process
            left = max(min(self._times.values()) - time.monotonic(), SOON)
            faulthandler.dump_traceback_later(left, exit=True, file=self._nowhere)


_ENDS: Final = _Ends()


@contextmanager
def _time_limit(limit: float | None, *, expendable: bool) -> Iterator[None]:
    """Raise in the work's code when it is late, and end an expendable process when that does not help."""
    if limit is None:
        yield
        return
    main = threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGALRM")
    with _ENDS.after(limit + GRACE) if expendable else nullcontext(), (_alarm if main else _thread_limit)(limit):
        yield


@contextmanager
def _alarm(limit: float) -> Iterator[None]:
    """Raise in the main thread when it is late, in what it waits for, too."""

    def overdue(number: int, frame: object) -> None:
        raise OverdueError(f"not finished after {limit:g} s")

    before = signal.signal(signal.SIGALRM, overdue)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _thread_limit(limit: float) -> Iterator[None]:
    """Raise in this thread's Python code when it is late, which signals cannot do; code that waits outside hears it
    when it comes back.
    """

    class LateError(OverdueError):
        def __init__(self) -> None:
            super().__init__(f"not finished after {limit:g} s")

    lock, ended, late = threading.Lock(), False, False
    thread = ctypes.c_ulong(threading.get_ident())

    def overdue() -> None:
        nonlocal late
        with lock:
            if not ended:
                late = True
                ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(LateError))

    timer = threading.Timer(limit, overdue)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            ended = True
        timer.cancel()
        error = sys.exception()
        if late and not any(isinstance(each, LateError) for each in (error, error and error.__cause__)):
            # It is on its way, or was caught on it: it must not come to whatever this thread does next.
            time.sleep(SOON)
            raise LateError
