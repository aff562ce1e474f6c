"""What is found out of every target before any weights are read: what the Hub lists, and how much there is to read."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from provenance.hub import Hub
from provenance.hub.patience import OF_SCANS
from provenance.jobs.failure import charged
from provenance.scan.folders import WEIGHTS
from provenance.scan.purse import Grant
from provenance.scan.stamp import MOST_FILES

if TYPE_CHECKING:
    from provenance.hub.listing import Listing


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """One look at a target.

    Attributes
    ----------
    nbytes : int
        Of all its weight files: what is small is decided first.
    listing : Listing or None
        Of a repository, at the commit at which it will be read.
    requests : int
        What it took.
    """

    nbytes: int
    listing: Listing | None = None
    requests: int = 0


def survey(asked: tuple[str, Grant]) -> Survey:
    """Look at a target: one request for a repository, none for what lies here.

    Raises
    ------
    ChargedError
        When a repository cannot be had.
    """
    target, grant = asked
    hub = Hub(requests=grant.requests, per_minute=grant.per_minute, patience=OF_SCANS)
    with charged(hub):
        listing = hub.listing(target)
        if listing is None:
            return Survey(nbytes=_weights_at(Path(target)), requests=hub.traffic.requests)
        nbytes = sum(file.size for file in listing.files.values() if _is_weights(file.path))
        return Survey(nbytes=nbytes, listing=listing, requests=hub.traffic.requests)


def _weights_at(path: Path) -> int:
    """Bytes of weight files at or below a path; 0 where they cannot be seen: what is wrong there is found out later."""
    try:
        if not path.is_dir():
            return path.stat().st_size
        found = (Path(folder, name) for folder, _, files in os.walk(path) for name in files)
        return sum(place.stat().st_size for place in islice(found, MOST_FILES) if _is_weights(place.name))
    except (OSError, ValueError):
        return 0


def _is_weights(name: str) -> bool:
    return name.lower().endswith(WEIGHTS)
