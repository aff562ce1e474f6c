"""What a repository holds at one commit: every file with its size, and the SHA-256 of those in large file storage."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import quote

from fingerprints.errors import Unavailable
from fingerprints.readers.quoting import quoted
from provenance.hub.client import Client
from provenance.hub.reference import HubReference

MAX_FILES: Final = 100_000
"""Files of the largest repository that is looked at."""
MAX_SIZE: Final = 1 << 43
"""Bytes of the largest file."""
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_SHA256: Final = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFile:
    """A file of a repository; `sha256` is None where it is not in large file storage."""

    path: str
    size: int
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A repository at one commit; `repository` is its present name, if it was renamed."""

    repository: str
    commit: str
    files: Mapping[str, HubFile]


def read_commit(reference: HubReference, client: Client) -> tuple[str, str]:
    """Resolve the revision to a commit; returns it with the repository's present name.

    Raises
    ------
    Unavailable
        When the repository or the revision cannot be had.
    """
    name = reference.root
    revision = "" if reference.revision is None else f"/revision/{quote(reference.revision, safe='')}"
    info, _ = client.document(f"{client.endpoint}/api/models/{reference.repository}{revision}", name)
    commit = info.get("sha") if isinstance(info, dict) else None
    if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
        raise _odd(name, client, "names no commit")
    found = info.get("id")
    known = HubReference.parse(found) if isinstance(found, str) else None
    return commit, reference.repository if known is None or known.path or known.revision else known.repository


def read_listing(reference: HubReference, client: Client) -> Listing:
    """Resolve the revision to a commit, and list its files.

    Raises
    ------
    Unavailable
        When the repository or the revision cannot be had, or what is said about it makes no sense.
    """
    name = reference.root
    commit, repository = read_commit(reference, client)
    files: dict[str, HubFile] = {}
    page: str | None = f"{client.endpoint}/api/models/{repository}/tree/{commit}?recursive=true"
    seen: set[str] = set()
    while page is not None:
        if page in seen:
            raise _odd(name, client, "lists its files in a circle")
        seen.add(page)
        entries, page = client.document(page, name)
        if not isinstance(entries, list):
            raise _odd(name, client, "lists no files")
        files |= {file.path: file for entry in entries if (file := _file(entry)) is not None}
        if len(files) > MAX_FILES:
            raise _odd(name, client, f"lists more than {MAX_FILES} files")
    return Listing(repository=repository, commit=commit, files={path: files[path] for path in sorted(files)})


def _file(entry: Any) -> HubFile | None:
    """A file of the tree; None for folders, and for what could not lie inside a folder."""
    if not isinstance(entry, dict) or entry.get("type") != "file":
        return None
    path, size, stored = entry.get("path"), entry.get("size"), entry.get("lfs")
    digest = None
    if isinstance(stored, dict):
        size = stored.get("size", size)
        digest = _SHA256.fullmatch(str(stored.get("oid") or stored.get("sha256")))
    if not isinstance(path, str) or type(size) is not int or not 0 <= size <= MAX_SIZE:
        return None
    pure = PurePosixPath(path)
    plain = pure.parts and not pure.is_absolute() and ".." not in pure.parts and str(pure) == path and len(path) <= 1024
    if not plain or "\\" in path or not path.isprintable() or any(len(part.encode()) > 255 for part in pure.parts):
        return None
    return HubFile(path=path, size=size, sha256=digest[1] if digest else None)


def _odd(name: str, client: Client, reason: str) -> Unavailable:
    return Unavailable(
        f"what {client.endpoint} says about {quoted(name)} {reason}",
        hint="check HF_ENDPOINT: it must be the address of a Hub",
    )
