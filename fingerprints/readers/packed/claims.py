"""What config.json claims about packing, for what names, types and shapes leave open. Nothing in it is trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_PLACES: Final = ("quantization_config", "compression_config", "quantization")
_NESTED: Final = "text_config"


def packing_claims(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the part of a configuration that is about packing, empty if there is none."""
    inner = config.get(_NESTED)
    for holder in (config, inner if isinstance(inner, Mapping) else {}):
        for place in _PLACES:
            found = holder.get(place)
            if isinstance(found, Mapping):
                return found
    return {}


def claimed_number(claims: Mapping[str, Any], key: str) -> int | None:
    """Return a positive integer that is claimed, or None."""
    value = claims.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def claimed_text(claims: Mapping[str, Any], key: str) -> str:
    """Return a claimed text in lower case, or the empty string."""
    value = claims.get(key)
    return value.lower() if isinstance(value, str) else ""


def width_of_groups(inputs: int, groups: int, claimed: int | None) -> int | None:
    """Return how many inputs in a row share a scale, where `groups` groups cover `inputs` and the last may be short.

    What is claimed is taken if it fits, then a power of two, then equal parts; None if nothing fits.
    """
    if not 0 < groups <= inputs:
        return None
    if groups == 1:
        return inputs
    least, most = -(-inputs // groups), (inputs - 1) // (groups - 1)
    power = 1 << most.bit_length() - 1
    for width in (claimed, power, least):
        if width is not None and least <= width <= most:
            return width
    return None
