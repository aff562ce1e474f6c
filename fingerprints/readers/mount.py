"""Folders whose files are filled as they are read, such as a repository that lies on a server.

A mounted folder looks like any other: its files have their names and sizes, and their bytes come when they are asked
for. Readers know nothing of it; `SourceFile` asks the mount before it reads. Like a file system's mounts these belong
to the process, since paths do.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

Span = tuple[int, int]
"""First byte, and the one behind the last."""


class Mount(Protocol):
    """What fills the files below `root`, which messages call `name`. Methods are called from several threads.

    Attributes
    ----------
    root : Path
        Resolved path of the folder.
    name : str
        What users know it by.
    revision : str
        The commit that its files belong to.
    """

    root: Path
    name: str
    revision: str

    def fill(self, path: Path, spans: Sequence[Span], *, exact: bool) -> None:
        """Have the bytes at `spans` of the file at `path`; unless `exact`, more around them may be worth having.

        Raises
        ------
        Unavailable
            When they cannot be had.
        """
        ...


_MOUNTS: dict[Path, Mount] = {}
_LOCK = threading.Lock()


def add_mount(mount: Mount) -> None:
    """Let `mount` fill the files below its root."""
    with _LOCK:
        _MOUNTS[mount.root] = mount


def remove_mount(mount: Mount) -> None:
    """Leave the files as they are."""
    with _LOCK:
        _MOUNTS.pop(mount.root, None)


def mount_of(path: Path) -> Mount | None:
    """Return what fills the file or folder at `path`, None where it lies there in full."""
    if not _MOUNTS:
        return None
    return next((found for place in (path, *path.parents) if (found := _MOUNTS.get(place)) is not None), None)


def revision_of(path: Path) -> str | None:
    """Return the commit that a file or folder belongs to, None where it is simply there."""
    mount = mount_of(path)
    return None if mount is None else mount.revision


def public_name(text: str) -> str:
    """Return `text` with the name of a mounted folder in place of its path."""
    for root, mount in list(_MOUNTS.items()):
        text = text.replace(str(root), mount.name)
    return text
