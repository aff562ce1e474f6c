"""The files that a model's weights lie in, by SHA-256: what is the same file need not be read to be known."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fingerprints.adapters import read_adapter
from fingerprints.checkpoint import Checkpoint
from fingerprints.fingerprint import FingerprintCheckpoint
from fingerprints.readers.mount import mount_of
from provenance.thresholds import thresholds

if TYPE_CHECKING:
    from provenance.hub.listing import Listing


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """SHA-256 of all weight files, sorted, and a digest of what else says how they are read: format, configuration."""

    digests: tuple[str, ...]
    setting: str


def files_of(checkpoint: Checkpoint) -> Files | None:
    """The files of an opened checkpoint: as the Hub lists them, or read where that is cheap; else None.

    Raises
    ------
    CheckpointError
        When a file cannot be read.
    """
    origin = checkpoint.origin
    if isinstance(checkpoint, FingerprintCheckpoint) or not origin.shards or read_adapter(checkpoint) is not None:
        return None
    folder = origin.path if origin.path.is_dir() else origin.path.parent
    mount = mount_of(origin.path)
    if mount is not None:
        from provenance.hub.snapshot import Snapshot

        listed = mount.digests(folder, origin.shards) if isinstance(mount, Snapshot) else {}
        digests = [listed[name] for name in origin.shards if name in listed]
    elif checkpoint.bytes_total <= thresholds().small_checkpoint_bytes:
        digests = [_sha256(folder / name) for name in origin.shards]
    else:
        return None
    setting = json.dumps([origin.format, origin.config], sort_keys=True, default=str)
    return (
        Files(digests=tuple(sorted(digests)), setting=hashlib.blake2b(setting.encode(), digest_size=16).hexdigest())
        if len(digests) == len(origin.shards)
        else None
    )


class KnownFiles:
    """Contents of a library by their files.

    Parameters
    ----------
    entries : iterable of (str, Files)
        Contents, and the files of each.
    """

    def __init__(self, entries: Iterable[tuple[str, Files]]) -> None:
        self._by_first: dict[str, list[tuple[str, Files]]] = {}
        for content, files in entries:
            self._by_first.setdefault(files.digests[0], []).append((content, files))

    def among(self, listing: Listing) -> Mapping[str, Files]:
        """Contents all of whose files a repository lists; whether it is read from these is known once it is open."""
        listed = {file.sha256 for file in listing.files.values() if file.sha256 is not None}
        return {
            content: files
            for digest in sorted(listed & self._by_first.keys())
            for content, files in self._by_first[digest]
            if listed.issuperset(files.digests)
        }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
