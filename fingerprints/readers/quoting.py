"""Names and other text from files, made safe to put into a message."""

from __future__ import annotations

from collections.abc import Sequence

from fingerprints.readers.mount import public_name

MAX_QUOTED = 200
"""Characters of a quoted name that a message shows at most."""


def quoted(text: str, limit: int = MAX_QUOTED) -> str:
    """Return `text` in quotes, ASCII only, control characters escaped and cut to about `limit` characters."""
    text = public_name(text)
    escaped = ascii(text[:limit])
    if len(escaped) > limit + 2:
        escaped = escaped[:limit] + escaped[0]
    return escaped if len(text) <= limit else f"{escaped}..."


def listed(names: Sequence[str], limit: int = 8) -> str:
    """Return the first `limit` names, quoted and joined by commas, and how many more there are."""
    shown = ", ".join(quoted(name, 80) for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
