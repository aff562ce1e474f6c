"""What an output stream can show, and how text gets there: widths, colours, encodings, readers that went away."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from rich.console import RenderableType

PLAIN_WIDTH = 100
MAX_WIDTH = 120
MIN_WIDTH = 80
"""Narrower terminals wrap lines themselves, so that no table loses a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """A stream's abilities. The defaults are those of a file: wide enough, UTF-8, no colours."""

    width: int = PLAIN_WIDTH
    ascii_only: bool = False
    color: bool = False

    @classmethod
    def of(cls, stream: TextIO | None) -> Self:
        """What `stream` can show; anything but a terminal gets plain text of a fixed width."""
        if stream is None:
            return cls()
        ascii_only = not _is_unicode(stream) or _locale_is_c()
        if not stream.isatty():
            return cls(ascii_only=ascii_only)
        width = min(max(shutil.get_terminal_size((PLAIN_WIDTH, 24)).columns, MIN_WIDTH), MAX_WIDTH)
        color = not os.environ.get("NO_COLOR") and os.environ.get("TERM", "") not in ("", "dumb", "unknown")
        return cls(width=width, ascii_only=ascii_only, color=color)

    def draw(self, renderables: Iterable[RenderableType]) -> str:
        """The renderables as text for this screen; escape sequences only where it has colours."""
        from rich.console import Console

        buffer = io.StringIO()
        console = Console(
            file=buffer,
            width=self.width,
            force_terminal=self.color,
            color_system="auto" if self.color else None,
            legacy_windows=False,
            force_jupyter=False,
            highlight=False,
            markup=False,
            emoji=False,
        )
        for renderable in renderables:
            console.print(renderable)
        return "".join(f"{line.rstrip()}\n" for line in buffer.getvalue().split("\n")[:-1])


def emit(text: str) -> None:
    """Write `text` to standard output; a reader that has seen enough (`| head`) is no error.

    Raises
    ------
    OSError
        When the text cannot be written for another reason (disk full).
    """
    if sys.stdout is None:
        return
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _detach(sys.stdout)
    except OSError:
        _detach(sys.stdout)
        raise


def complain(text: str) -> None:
    """Write `text` to standard error as far as that is possible."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        _detach(sys.stderr)


def _detach(stream: TextIO) -> None:
    """Point a dead stream at nothing, so that the interpreter's own flush at exit stays quiet."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, descriptor)
    finally:
        os.close(nowhere)


def _is_unicode(stream: TextIO) -> bool:
    return (stream.encoding or "utf-8").lower().replace("_", "-").startswith("utf")


def _locale_is_c() -> bool:
    """Whether the user asked for the C locale; Python itself would write UTF-8 there all the same."""
    if os.environ.get("PYTHONIOENCODING") or os.environ.get("PYTHONUTF8"):
        return False
    chosen = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG") or ""
    return chosen in ("C", "POSIX")
