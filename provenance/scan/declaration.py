"""What a model says of its own descent: bases and licence, from the card, the configurations and the container."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fingerprints.adapters.configuration import NAME as ADAPTER_NAME
from fingerprints.checkpoint import Origin
from fingerprints.readers.config import read_config
from provenance.scan.card import read_card

MOST_BASES: Final = 32
LONGEST: Final = 200
_SITE: Final = re.compile(r"^(https?://(www\.)?(huggingface\.co|hf\.co)/|hf://)", re.IGNORECASE)
_TAG: Final = re.compile(r"^base_model:(?:[a-z_]+:)?(.+/.+)$")
_OTHER: Final = frozenset({"other", "unknown"})
_GGUF_BASE: Final = re.compile(r"^general\.base_model\.\d+\.(repo_url|name)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """Declared bases, as names like `org/name` or whatever stands there, and the declared licence's identifier."""

    bases: tuple[str, ...] = ()
    licence: str | None = None


def read_declaration(origin: Origin) -> Declaration:
    """What lies beside the weights, or in their container, about where they come from."""
    folder = origin.path if origin.path.is_dir() else origin.path.parent
    card = read_card(folder)
    adapter, _ = read_config(folder, ADAPTER_NAME)
    names = dict.fromkeys(_bases(card, origin, adapter))
    return Declaration(bases=tuple(names)[:MOST_BASES], licence=_licence(card, origin.metadata))


def plain_name(name: str) -> str:
    """`name` without the site's address, a revision, or slashes at its ends."""
    plain = _SITE.sub("", name.strip()).strip("/")
    return plain.partition("@")[0] if _SITE.match(name.strip()) or not plain.startswith(".") else plain


def same_model(one: str, other: str) -> bool:
    """Whether two names mean the same model: equal but for case, or in the last part where one has no other."""
    left, right = plain_name(one).casefold(), plain_name(other).casefold()
    if "/" in left and "/" in right:
        return left == right
    return left.rpartition("/")[2] == right.rpartition("/")[2]


def _bases(card: Mapping[str, Any], origin: Origin, adapter: Mapping[str, Any]) -> Iterator[str]:
    yield from map(plain_name, _texts(card.get("base_model")))
    for tag in _texts(card.get("tags")):
        if found := _TAG.match(tag):
            yield plain_name(found[1])
    # A GGUF file's name stands where a configuration has the name of what it was loaded from.
    loaded = None if "general.architecture" in origin.metadata else origin.config.get("_name_or_path")
    for value in (adapter.get("base_model_name_or_path"), loaded):
        # A path on somebody's disk names no model that anybody else could check.
        yield from (plain_name(text) for text in _texts(value) if not text.startswith(("/", ".", "~")))
    for key, value in origin.metadata.items():
        if _GGUF_BASE.match(key):
            yield from map(plain_name, _texts(value))


def _licence(card: Mapping[str, Any], metadata: Mapping[str, str]) -> str | None:
    """The card's identifier, or the name that it gives where that is `other`."""
    declared = next(_texts(card.get("license")), None)
    if declared is None or declared.casefold() in _OTHER:
        declared = next(_texts(card.get("license_name")), declared)
    declared = declared or next(_texts(metadata.get("general.license")), None)
    return None if declared is None else declared.casefold()


def _texts(value: Any) -> Iterator[str]:
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, str) and each.strip():
            yield each.strip()[:LONGEST]
