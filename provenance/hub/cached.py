"""Files that huggingface_hub downloaded before: all there is offline, and nothing to fetch again online."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from huggingface_hub import constants, try_to_load_from_cache

from fingerprints.errors import Unavailable
from fingerprints.readers.mount import Span
from fingerprints.readers.quoting import quoted
from provenance.hub.ranges import Sink
from provenance.hub.reference import HubReference

_STEP: Final = 1 << 20
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")


def snapshot_of(reference: HubReference) -> tuple[Path, str]:
    """Return the folder of a downloaded revision, and its commit.

    Raises
    ------
    Unavailable
        When it was never downloaded.
    """
    folder = Path(constants.HF_HUB_CACHE, f"models--{reference.repository.replace('/', '--')}")
    revision = reference.revision or constants.DEFAULT_REVISION
    commit = revision
    if not _COMMIT.fullmatch(revision):
        try:
            commit = folder.joinpath("refs", revision).read_text("utf-8")[:64].strip()
        except (OSError, UnicodeDecodeError):
            commit = ""
    found = folder / "snapshots" / commit
    if not _COMMIT.fullmatch(commit) or not found.is_dir():
        raise Unavailable(
            f"{quoted(reference.root)} was not downloaded before, and HF_HUB_OFFLINE is set",
            hint=f"unset HF_HUB_OFFLINE, or download it into {constants.HF_HUB_CACHE}",
        )
    return found.resolve(), commit


def cached_file(repository: str, commit: str, path: str, size: int) -> Path | None:
    """Return where a file lies that was downloaded at this very commit; None where it was not, or not in full."""
    found = try_to_load_from_cache(repository, path, revision=commit)
    if not isinstance(found, str):
        return None
    place = Path(found)
    try:
        return place if place.stat().st_size == size else None
    except OSError:
        return None


def copy_span(place: Path, span: Span, sink: Sink) -> None:
    """Hand a stretch of a local file over, as one of a remote file would be."""
    at, stop = span
    with place.open("rb", buffering=0) as file:
        while at < stop:
            chunk = os.pread(file.fileno(), min(_STEP, stop - at), at)
            if not chunk:
                raise Unavailable(
                    f"{quoted(str(place))} ends at byte {at}", hint="remove it from the cache and download it again"
                )
            sink(at, chunk)
            at += len(chunk)
