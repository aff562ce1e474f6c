"""Keeping to the folder that was given: names from a file must not lead out of it."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from fingerprints.errors import CorruptCheckpoint
from fingerprints.readers.quoting import quoted

_CACHE_PREFIXES = ("models--", "datasets--", "spaces--")


def require_inside(folder: Path, name: str) -> Path:
    """Return the path of `name` in `folder`.

    A symbolic link may lead to the `blobs` of the same repository in a Hugging Face cache, and nowhere else outside.

    Raises
    ------
    CorruptCheckpoint
        When the name, or the link that it is, leads elsewhere.
    """
    pure = PurePosixPath(name)
    if not _is_file_name(name) or "\\" in name or pure.is_absolute() or ".." in pure.parts or len(name) > 1024:
        raise _leads_out(folder, name, "names a file outside of it")
    path = folder / name
    try:
        target, root = path.resolve(), folder.resolve()
    except (OSError, RuntimeError):
        raise _leads_out(folder, name, "is a link that leads to itself") from None
    if not target.is_relative_to(root) and not _is_cache_blob(target, root):
        raise _leads_out(folder, name, f"is a link to {quoted(str(target))} outside of it")
    return path


def _is_file_name(name: str) -> bool:
    """Whether the system may have a file of this name: half of a surrogate pair, which JSON can spell, is none."""
    try:
        return bool(name) and b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        return False


def _is_cache_blob(target: Path, root: Path) -> bool:
    blobs = target.parent
    repository = blobs.parent
    return blobs.name == "blobs" and repository.name.startswith(_CACHE_PREFIXES) and root.is_relative_to(repository)


def _leads_out(folder: Path, name: str, reason: str) -> CorruptCheckpoint:
    return CorruptCheckpoint(
        f"in {quoted(str(folder))}, {quoted(name)} ({len(name)} characters) {reason}",
        path=folder,
        hint="if you trust the folder, copy the file into it; otherwise leave it alone",
    )
