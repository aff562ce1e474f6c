"""What a whole scan may fetch, handed out to the targets that are under way, so that no worker has to ask another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from provenance.hub.access import BUDGET

REQUESTS: Final = 1000
"""Requests set apart for each target that is under way, where the scan has a number of them."""

PACE: Final = 30.0
"""Requests a minute that a target gets at least, where the scan has so many: rather fewer targets at once than ones
that are late because they may ask so seldom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a whole scan may fetch; None for any number.

    Attributes
    ----------
    nbytes : int or None
        Bytes of files in all.
    requests : int or None
        Requests in all.
    per_minute : float or None
        Requests a minute, of all workers together.
    """

    nbytes: int | None = None
    requests: int | None = None
    per_minute: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What one target may fetch. `curtailed` says that the scan has less left than every target is to have."""

    nbytes: int | None = None
    requests: int | None = None
    per_minute: float | None = None
    curtailed: bool = False


class Purse:
    """Sets apart what each target may take at most, and takes back what it left.

    So the sum of all can never be more than what is allowed, wherever the workers are.

    Parameters
    ----------
    allowance : Allowance
        Of the whole scan.
    per_target : int or None
        Bytes that every target may take; None for what a run of its own would.
    """

    def __init__(self, allowance: Allowance, per_target: int | None) -> None:
        self._allowance = allowance
        self._per_target = BUDGET if per_target is None else per_target
        self._bytes, self._requests = allowance.nbytes, allowance.requests
        self._granted: dict[str, Grant] = {}

    def grant(self, target: str, workers: int) -> Grant | None:
        """What `target` may take; None where it has to wait for others, or all is spent.

        Parameters
        ----------
        target : str
            One that is under way already was lost: what it had is taken for spent.
        workers : int
            How many targets are to be under way at once.
        """
        if target in self._granted:
            lost = self._granted[target]
            self.settle(target, nbytes=lost.nbytes or 0, requests=lost.requests or 0)
        nbytes, short = _share(self._bytes, self._per_target)
        requests, few = _share(self._requests, REQUESTS)
        rate = self._rate(workers)
        # While others are under way, what they leave may make up the whole of what a target is to have.
        if nbytes == 0 or requests == 0 or rate == 0.0 or ((short or few) and self._granted):
            return None
        grant = Grant(nbytes=nbytes, requests=requests, per_minute=rate, curtailed=short or few)
        self._bytes = None if self._bytes is None else self._bytes - (nbytes or 0)
        self._requests = None if self._requests is None else self._requests - (requests or 0)
        self._granted[target] = grant
        return grant

    def settle(self, target: str, *, nbytes: int, requests: int) -> Grant:
        """Take back what `target` left of its grant."""
        grant = self._granted.pop(target)
        if self._bytes is not None:
            self._bytes = max(self._bytes + (grant.nbytes or 0) - nbytes, 0)
        if self._requests is not None:
            self._requests = max(self._requests + (grant.requests or 0) - requests, 0)
        return grant

    def close(self) -> None:
        """Grant nothing any more: what is left is too little."""
        self._bytes = self._requests = 0

    def _rate(self, workers: int) -> float | None:
        """An equal share, or one that a target can live on, if that many are not given away yet."""
        if self._allowance.per_minute is None:
            return None
        share = max(self._allowance.per_minute / workers, min(self._allowance.per_minute, PACE))
        given = sum(grant.per_minute or 0.0 for grant in self._granted.values())
        return share if share <= (self._allowance.per_minute - given) * (1.0 + 1e-9) else 0.0


def _share(left: int | None, wanted: int) -> tuple[int | None, bool]:
    """What of `wanted` is left, and whether that is less."""
    return (None, False) if left is None else (min(left, wanted), left < wanted)
