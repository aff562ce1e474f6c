"""A short text that changes when the content of a local model does, without reading it."""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path
from typing import Final

from provenance.hub import Hub
from provenance.hub.patience import OF_SCANS
from provenance.jobs.failure import charged
from provenance.scan.purse import Grant

MOST_FILES: Final = 100_000
"""Files of one folder that are looked at; more is a misplaced path rather than a model."""


def current_stamp(asked: tuple[str, Grant]) -> str | None:
    """The stamp that a row of a target would get now: the commit of a repository, else that of the files.

    Raises
    ------
    ChargedError
        When a repository cannot be had, now or for ever.
    """
    target, grant = asked
    hub = Hub(requests=grant.requests, per_minute=grant.per_minute, patience=OF_SCANS)
    with charged(hub):
        return hub.commit(target) or stamp_of(Path(target))


def stamp_of(path: Path) -> str | None:
    """Digest of the names, sizes and times of all files at or below `path`; None where there is nothing."""
    digest = blake2b(digest_size=16)
    try:
        if not path.is_dir():
            _add(digest, path, path.name)
            return digest.hexdigest()
        count = 0
        for folder, folders, files in os.walk(path):
            folders.sort()
            for name in sorted(files):
                count += 1
                if count > MOST_FILES:
                    return digest.hexdigest()
                place = Path(folder, name)
                _add(digest, place, str(place.relative_to(path)))
    except (OSError, ValueError):
        return None
    return digest.hexdigest()


def _add(digest: blake2b, path: Path, name: str) -> None:
    try:
        found = path.stat()
    except FileNotFoundError:
        # A broken link is part of the content, too.
        digest.update(f"{name}\0gone\0".encode(errors="surrogateescape"))
        return
    digest.update(f"{name}\0{found.st_size}\0{found.st_mtime_ns}\0".encode(errors="surrogateescape"))
