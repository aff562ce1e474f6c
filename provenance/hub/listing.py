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
MOST_AT_ONCE: Final = 1000
"""Files that are believed to be all of them where they come with the commit; more are asked for page by page."""
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
    return _resolved(reference, client, _info(reference, client))


def read_listing(reference: HubReference, client: Client) -> Listing:
    """Resolve the revision to a commit, and list its files: in one request, unless they are very many.

    Raises
    ------
    Unavailable
        When the repository or the revision cannot be had, or what is said about it makes no sense.
    """
    info = _info(reference, client, "?blobs=true")
    commit, repository = _resolved(reference, client, info)
    beside = info.get("siblings")
    entries = [_entry(each) for each in beside] if isinstance(beside, list) else []
    if not 0 < len(entries) < MOST_AT_ONCE or any(type(entry["size"]) is not int for entry in entries):
        entries = _tree(f"{client.endpoint}/api/models/{repository}/tree/{commit}?recursive=true", reference, client)
    return _listing(repository, commit, entries)


def listing_to_json(listing: Listing) -> dict[str, Any]:
    """Plain data, in the Hub's own words."""
    files = [
        {"type": "file", "path": file.path, "size": file.size}
        | ({} if file.sha256 is None else {"lfs": {"sha256": file.sha256}})
        for file in listing.files.values()
    ]
    return {"repository": listing.repository, "commit": listing.commit, "files": files}


def listing_of_json(plain: Any) -> Listing:
    """What `listing_to_json` wrote, checked like what a Hub says.

    Raises
    ------
    ValueError
        When it is no listing.
    """
    repository, commit, files = (plain.get(name) for name in ("repository", "commit", "files"))
    known = HubReference.parse(repository) if isinstance(repository, str) else None
    if known is None or str(known) != known.repository or not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
        raise ValueError("it names no repository, or no commit")
    if not isinstance(files, list) or len(files) > MAX_FILES:
        raise ValueError("it lists no files")
    return _listing(known.repository, commit, files)


def _info(reference: HubReference, client: Client, query: str = "") -> Any:
    revision = "" if reference.revision is None else f"/revision/{quote(reference.revision, safe='')}"
    info, _ = client.document(f"{client.endpoint}/api/models/{reference.repository}{revision}{query}", reference.root)
    return info


def _resolved(reference: HubReference, client: Client, info: Any) -> tuple[str, str]:
    commit = info.get("sha") if isinstance(info, dict) else None
    if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
        raise _odd(reference.root, client, "names no commit")
    found = info.get("id")
    known = HubReference.parse(found) if isinstance(found, str) else None
    return commit, reference.repository if known is None or known.path or known.revision else known.repository


def _entry(sibling: Any) -> dict[str, Any]:
    """A file that is listed beside the commit, as the tree has it; without a size where it has none."""
    found = sibling if isinstance(sibling, dict) else {}
    return {"type": "file", "path": found.get("rfilename"), "size": found.get("size"), "lfs": found.get("lfs")}


def _tree(page: str | None, reference: HubReference, client: Client) -> list[Any]:
    """All entries, page by page."""
    found: list[Any] = []
    seen: set[str] = set()
    while page is not None:
        if page in seen:
            raise _odd(reference.root, client, "lists its files in a circle")
        seen.add(page)
        entries, page = client.document(page, reference.root)
        if not isinstance(entries, list):
            raise _odd(reference.root, client, "lists no files")
        found += [entry for entry in entries if _file(entry) is not None]
        if len(found) > MAX_FILES:
            raise _odd(reference.root, client, f"lists more than {MAX_FILES} files")
    return found


def _listing(repository: str, commit: str, entries: list[Any]) -> Listing:
    files = {file.path: file for entry in entries if (file := _file(entry)) is not None}
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
