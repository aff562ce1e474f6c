"""Watches what reading a checkpoint does beside reading it: other files opened, programs or connections started."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

FORBIDDEN: Final = (
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.remove",
    "os.rename",
    "os.system",
    "pickle.find_class",
    "shutil",
    "socket",
    "subprocess.Popen",
    "urllib.Request",
)
"""What reading never does, by the names of https://docs.python.org/3/library/audit_events.html"""
_CODE: Final = tuple(str(Path(place).resolve()) for place in {sys.prefix, sys.base_prefix, *sys.path} if place)
_watched: list[Path] = []
_hooked: list[bool] = []


class StrayedError(BaseException):
    """Reading did what it never may; no reader catches it."""


@contextmanager
def watching(folder: Path) -> Iterator[None]:
    """Raise `StrayedError` where a file outside of a folder is opened, or anything on the list happens, meanwhile.

    Modules may be loaded, but for those that a checkpoint brings along.
    """
    if not _hooked:
        sys.addaudithook(_audit)
        _hooked.append(True)
    _watched.append(folder.resolve())
    try:
        yield
    finally:
        _watched.pop()


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watched:
        return
    if event.startswith(FORBIDDEN):
        raise StrayedError(f"{event} {arguments}")
    if event != "open" or not isinstance(arguments[0], str | bytes | os.PathLike):
        return
    path, mode, flags = arguments
    place = os.path.realpath(os.fsdecode(path))
    if place == os.devnull:
        return
    inside = place.startswith(f"{_watched[-1]}{os.sep}")
    writes = bool((flags or 0) & (os.O_WRONLY | os.O_RDWR)) or bool(set(mode or "") & set("wax+"))
    if writes or not (inside or place.startswith(_CODE)):
        raise StrayedError(f"opened {place!a}")
