"""Values of any type as people read them: parameters of kinds, claims, options."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from provenance.escaping import PROSE_LIMIT, visible

LIST_LIMIT = 6
"""Items of a list inside a value that are shown; the JSON has all."""


def spelled(value: Any) -> str:
    """Text as it is, the rest much as JSON spells it, long lists cut short. What comes of it is not escaped."""
    if isinstance(value, str):
        return value
    if value is None:
        return "not given"
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, Mapping):
        return "{" + _listed([f"{key}: {spelled(item)}" for key, item in value.items()]) + "}"
    if isinstance(value, list | tuple):
        return "[" + _listed([spelled(item) for item in value]) + "]"
    return str(value)


def all_visible(value: Any) -> Any:
    """Plain data with every text in it made visible: documents for other programs, not all of which take any text."""
    if isinstance(value, str):
        return visible(value, limit=PROSE_LIMIT)
    if isinstance(value, Mapping):
        return {visible(str(key), limit=PROSE_LIMIT): all_visible(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [all_visible(item) for item in value]
    return value


def _listed(items: list[str]) -> str:
    rest = len(items) - LIST_LIMIT
    return ", ".join(items[:LIST_LIMIT] + ([f"{rest} more"] if rest > 0 else []))
