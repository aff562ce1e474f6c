"""Numbers for sentences: with units, and of things of which only the first is named."""

from __future__ import annotations

from collections.abc import Sequence

_MINUTE = 90


def size_of(count: int) -> str:
    """Bytes as MB, or GB from a thousand on."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def duration_of(seconds: float) -> str:
    """Seconds, or minutes from one and a half on."""
    return f"{seconds / 60:.0f} min" if seconds >= _MINUTE else f"{seconds:.0f} s"


def counted(names: Sequence[str]) -> str:
    """The first name, and how many more there are."""
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
