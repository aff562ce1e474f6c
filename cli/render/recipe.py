"""A recipe as YAML: block style, with scalars in JSON's spelling, which is YAML as well."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def as_yaml(recipe: Mapping[str, Any]) -> list[str]:
    """The lines of a document; lists of numbers stay on one line."""
    return _mapping(recipe)


def _mapping(mapping: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for key, value in mapping.items():
        if _is_flat(value):
            lines.append(f"{key}: {json.dumps(value)}")
        else:
            inner = _mapping(value) if isinstance(value, Mapping) else _sequence(value)
            lines += [f"{key}:", *(f"  {line}" for line in inner)]
    return lines


def _sequence(items: list[Any]) -> list[str]:
    lines: list[str] = []
    for item in items:
        inner = _mapping(item) if isinstance(item, Mapping) else [json.dumps(item)]
        lines += [f"- {inner[0]}", *(f"  {line}" for line in inner[1:])]
    return lines


def _is_flat(value: Any) -> bool:
    if isinstance(value, Mapping):
        return not value
    return not (isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value))
