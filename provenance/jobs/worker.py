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
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Final

from provenance.jobs.category import OverdueError
from provenance.jobs.failure import failure_of

GRACE: Final = 10.0
"""Seconds between the exception that late work gets and the end of its process, for code that never returns."""

SOON: Final = 0.1
"""Seconds in which an exception that was sent to a thread has come."""


def attempt(work: Callable[[Any], Any], target: str, item: Any, limit: float | None) -> Any:
    """Return `work(item)`, or the failure that says why there is none."""
    try:
        with _time_limit(limit):
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


@contextmanager
def _time_limit(limit: float | None) -> Iterator[None]:
    """Raise in the work's code when it is late; where it has a process of its own, end that when nothing else helps."""
    if limit is None:
        yield
        return
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        with _thread_limit(limit):
            yield
        return

    def overdue(number: int, frame: object) -> None:
        raise OverdueError(f"not finished after {limit:g} s")

    with Path(os.devnull).open("w") as nowhere:
        before = signal.signal(signal.SIGALRM, overdue)
        faulthandler.dump_traceback_later(limit + GRACE, exit=True, file=nowhere)
        signal.setitimer(signal.ITIMER_REAL, limit)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            faulthandler.cancel_dump_traceback_later()
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
        if late and not isinstance(sys.exception(), LateError):
            # It is on its way, or was caught on it: it must not come to whatever this thread does next.
            time.sleep(SOON)
            raise LateError
