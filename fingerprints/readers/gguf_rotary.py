"""The order of the rows of queries and keys, which llama.cpp's converter changes for some architectures: undone here.

Within a head of d rows, transformers has the first parts of all rotary pairs, then the second parts; the converter puts
the parts of a pair side by side. Row h·d + s·d/2 + i of transformers (head h, part s of pair i) is row h·d + 2i + s of
the file.

Source: `LlamaModel.permute` in https://github.com/ggml-org/llama.cpp/blob/master/conversion/llama.py
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache, partial
from importlib import resources
from typing import Final

import numpy as np

from fingerprints.checkpoint import Array
from fingerprints.readers.decoded_tensor import DecodedTensor, Rows
from fingerprints.readers.gguf_values import Value
from fingerprints.readers.row_tensor import RowTensor

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

    def heads(self, name: str, rows: int) -> int | None:
        """Return the heads among `rows` rows, or None if the metadata does not tell or contradicts the shape."""
        match = _MOVED.match(name)
        for key in _HEADS[match["part"]] if match else ():
            value = self.metadata.get(f"{self.architecture}.attention.{key}")
            if isinstance(value, tuple) and match:
                layer = int(match["layer"])
                value = value[layer] if layer < len(value) else None
            if isinstance(value, int) and not isinstance(value, bool):
                return value if value > 0 and rows % (2 * value) == 0 else None
            if value is not None:
                return None
        return None


def in_order(tensor: RowTensor, heads: int) -> RowTensor:
    """Return the tensor with its rows in the order of transformers.

    Parameters
    ----------
    tensor : RowTensor
        Queries or keys, of `heads` times an even number of rows.
    heads : int
        Heads that the rows belong to.
    """
    size = tensor.row_count // heads
    return DecodedTensor(info=tensor.info, decode=partial(_take, tensor, size), row_bytes=tensor.cost(1))


def stored_row(rows: Rows, size: int) -> Rows:
    """Return where the rows of transformers lie in the file, for heads of `size` rows."""
    within = rows % size
    return rows - within + 2 * (within % (size // 2)) + within // (size // 2)


def _take(tensor: RowTensor, size: int, indices: Rows) -> tuple[Array, int]:
    stored = stored_row(indices, size)
    order = np.argsort(stored)
    found, count = tensor.take(stored[order])
    rows = np.empty_like(found)
    rows[order] = found
    return rows, count


@cache
def _interleaved() -> frozenset[str]:
    own = json.loads(resources.files("fingerprints").joinpath("data/gguf.json").read_text("utf-8"))
    return frozenset(own["interleaved"])
