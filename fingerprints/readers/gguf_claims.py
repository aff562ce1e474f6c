"""What the metadata of a GGUF file claims about the model, under the names of config.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources

_NAME = "general.name"
_ORIGIN = ("general.base_model.0.repo_url", "general.base_model.0.name", "general.source.repo_url")


def claimed_config(metadata: Mapping[str, str]) -> dict[str, str | int | float]:
    """Return the sizes, the name and the base model that the metadata claims; empty for that of other formats.

    The architecture is left out: llama.cpp counts several types of config.json as one.

    Parameters
    ----------
    metadata : mapping
        Text by key, as `FileContents` has it.
    """
    architecture = metadata.get("general.architecture")
    if architecture is None:
        return {}
    claims: dict[str, str | int | float] = {}
    for key, name in _names().items():
        number = _number(metadata.get(f"{architecture}.{key}", ""))
        if number is not None:
            claims[name] = number
    if _NAME in metadata:
        claims["_name_or_path"] = metadata[_NAME]
    base = next((metadata[key] for key in _ORIGIN if key in metadata), None)
    if base is not None:
        claims["base_model"] = base
    return claims


def _number(text: str) -> int | float | None:
    """Return a number, None for anything else, such as one number for every layer."""
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        return None


@cache
def _names() -> dict[str, str]:
    own = json.loads(resources.files("fingerprints").joinpath("data/gguf.json").read_text("utf-8"))
    return {str(key): str(name) for key, name in own["claims"].items()}
