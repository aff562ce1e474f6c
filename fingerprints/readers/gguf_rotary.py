"""The order of the rows of queries and keys, which llama.cpp's converter changes for some architectures.

The converter puts the parts of a rotary pair side by side; see `fingerprints.readers.interleaved_rows`.

Source: `LlamaModel.permute` in https://github.com/ggml-org/llama.cpp/blob/master/conversion/llama.py
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from fingerprints.readers.gguf_values import Value

_MOVED: Final = re.compile(r"^blk\.(?P<layer>\d{1,6})\.attn_(?P<part>[qk])\.(weight|bias)$")
_HEADS: Final = {"q": ("head_count",), "k": ("head_count_kv", "head_count")}
"""Keys with the number of heads; a model that says nothing of key heads has one for every query head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RotaryOrder:
    """What a file's metadata says about the order of rows: whether it was changed, and the keys that give the heads."""

    metadata: dict[str, Value]

    @property
    def architecture(self) -> str:
        """The architecture by llama.cpp's name, empty if there is none."""
        found = self.metadata.get("general.architecture")
        return found if isinstance(found, str) else ""

    def is_moved(self, name: str) -> bool:
        """Whether the converter changed the order of this tensor's rows."""
        return self.architecture in _interleaved() and _MOVED.match(name) is not None

    def heads(self, name: str) -> int | None:
        """Return the number of heads that a tensor's rows belong to, or None if the metadata does not tell."""
        match = _MOVED.match(name)
        for key in _HEADS[match["part"]] if match else ():
            value = self.metadata.get(f"{self.architecture}.attention.{key}")
            if isinstance(value, tuple) and match:
                layer = int(match["layer"])
                value = value[layer] if layer < len(value) else None
            if isinstance(value, int) and not isinstance(value, bool):
                return value
            if value is not None:
                return None
        return None


@cache
def _interleaved() -> frozenset[str]:
    own = json.loads(resources.files("fingerprints").joinpath("data/gguf.json").read_text("utf-8"))
    return frozenset(own["interleaved"])
