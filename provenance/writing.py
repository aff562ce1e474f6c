"""Files that are either the old one or the whole new one, never a part.

The text goes to a temporary file in the same folder, is flushed to the disk, and takes the target's place in one step.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from fingerprints.errors import AuditError, UsageError


def check_destination(path: Path) -> None:
    """Find out before the work, not after it, that `path` cannot be written.

    Raises
    ------
    UsageError
        When the folder does not exist or takes no files, or `path` is a folder itself.
    """
    folder = path.resolve().parent
    if not folder.is_dir():
        raise UsageError(
            f"cannot write {path}: its folder does not exist", hint=f"create it first: mkdir -p {path.parent}"
        )
    if path.is_dir():
        raise UsageError(f"cannot write {path}: it is a folder", hint="name a file")
    if not os.access(folder, os.W_OK):
        raise UsageError(f"cannot write {path}: its folder takes no new files", hint="choose another folder")


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write `content`, text as UTF-8, to `path`, replacing what was there in one step; links are followed.

    Raises
    ------
    UsageError
        When the folder does not exist or takes no files.
    AuditError
        When the system refuses the write (disk full); the old file is then untouched.
    """
    check_destination(path)
    target = path.resolve()
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}.tmp")
    try:
        data = content.encode("utf-8", errors="backslashreplace") if isinstance(content, str) else content
        _write(temporary, data)
        if target.exists():
            temporary.chmod(target.stat().st_mode & 0o7777)
        temporary.replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        raise AuditError(
            f"cannot write {path}: {error.strerror or error}", hint="free some space or choose another folder"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut, where folders can be synchronised."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
