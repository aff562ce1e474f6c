"""When the next request may be made: not more than so many a minute, and none while a Hub asks to be left alone."""

from __future__ import annotations

import threading
import time
from typing import Final

MINUTE: Final = 60.0
_CLOSED: dict[str, float] = {}
"""Until when each part of a Hub is to be left alone: said to one reader of this process, and meant for all."""
_LOCK: Final = threading.Lock()


class Pace:
    """Turns of the requests of one run; safe for several threads.

    Parameters
    ----------
    per_minute : float or None
        Requests a minute, evenly spaced, the first one after a space; None for any number.
    """

    def __init__(self, per_minute: float | None = None) -> None:
        self._space = 0.0 if per_minute is None else MINUTE / per_minute
        self._next = time.monotonic()
        self._lock = threading.Lock()

    def wait(self, part: str, longest: float) -> float:
        """Wait for a turn at a part of a Hub, and return 0.

        Where the Hub asks for more than `longest` seconds, return at once how many.
        """
        closed = closed_for(part)
        if closed > longest:
            return closed
        now = time.monotonic()
        with self._lock:
            self._next = max(self._next, now) + self._space
            turn = self._next
        time.sleep(max(turn - now, closed))
        return 0.0


def close_for(part: str, seconds: float) -> None:
    """Have nobody in this process ask a part of a Hub for so long."""
    until = time.monotonic() + seconds
    with _LOCK:
        _CLOSED[part] = max(_CLOSED.get(part, until), until)


def closed_for(part: str) -> float:
    """Seconds for which a part of a Hub is to be left alone."""
    with _LOCK:
        return max(_CLOSED.get(part, 0.0) - time.monotonic(), 0.0)
