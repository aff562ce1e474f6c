"""How long a server may take, and how often it is asked again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Limits of one request.

    Attributes
    ----------
    attempts : int
        How often a request is made at most, the first included.
    first_wait, longest_wait : float
        Seconds before the second attempt, doubled for each one after it; and the most that is waited, also where the
        server asks for more.
    silence : float
        Seconds without a byte after which a connection is given up.
    grace, slowest : float
        After `grace` seconds an answer must have come at `slowest` bytes a second.
    """

    attempts: int = 6
    first_wait: float = 0.5
    longest_wait: float = 60.0
    silence: float = 20.0
    grace: float = 30.0
    slowest: float = 4096.0


OF_SCANS: Final = Patience(longest_wait=330.0)
"""That of long runs: somewhat more than the five minutes over which the Hub counts requests."""
