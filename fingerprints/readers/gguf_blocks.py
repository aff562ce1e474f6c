"""Tensors of ggml's quantised types: rows of blocks, each block a few scales and the packed weights that share them.

The blocks are decoded by the `gguf` package, the reference of the format; which bytes are read is decided here.
Types: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md#file-structure
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from math import prod
from typing import Final

import numpy as np
import numpy.typing as npt

from fingerprints.checkpoint import Array, Encoding, TensorInfo
from fingerprints.readers.decoded_tensor import Rows
from fingerprints.readers.element_types import ELEMENT_TYPES
from fingerprints.readers.source import SourceFile
from fingerprints.readers.stored_tensor import StoredTensor

_AT_ONCE: Final = 1 << 18
"""Elements that are decoded in one go: several times as much memory is needed meanwhile."""
_PLAIN: Final = frozenset({"F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8"})
"""Types of single elements; safetensors has the same names for them."""
_BYTES: Final = ELEMENT_TYPES["U8"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockType:
    """One of ggml's types: `elements` of it are stored in `nbytes` bytes, and do not go over the end of a row."""

    type_id: int
    name: str
    elements: int
    nbytes: int

    @property
    def is_plain(self) -> bool:
        """Whether every element is stored by itself, in a type that other formats have, too."""
        return self.name in _PLAIN

    @property
    def encoding(self) -> Encoding:
        """How the weights are stored; the number in a type's name is that of its bits, give or take half a bit."""
        found = re.search(r"\d+", self.name)
        return Encoding(scheme=self.name, bits=float(found[0]) if found else 0.0, group_size=self.elements)

    @property
    def is_decoded(self) -> bool:
        """Whether the `gguf` package decodes it."""
        return _is_decoded(self.type_id)


@cache
def block_types() -> dict[int, BlockType]:
    """Every type that the `gguf` package knows, by number."""
    from gguf.constants import GGML_QUANT_SIZES  # deferred: its import costs a tenth of a second

    return {
        int(kind): BlockType(type_id=int(kind), name=kind.name, elements=elements, nbytes=nbytes)
        for kind, (elements, nbytes) in GGML_QUANT_SIZES.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockTensor:
    """A tensor of blocks in `source`, the first at byte `offset`; its numbers come as float32.

    The last axis is a whole number of blocks. Where it is the only axis, a row is one element, and the blocks in which
    the wanted elements lie are read.
    """

    info: TensorInfo
    kind: BlockType
    source: SourceFile
    offset: int

    @property
    def row_count(self) -> int:
        """Length of axis 0."""
        return self.info.shape[0]

    def cost(self, rows: int) -> int | None:
        """Bytes that reading `rows` rows takes at most."""
        return rows * self._blocks_per_row * self.kind.nbytes

    def take(self, indices: Rows) -> tuple[Array, int]:
        """Return the rows at sorted, distinct `indices`, and how many bytes were read for them."""
        if len(self.info.shape) > 1:
            raw, count = self._stored(self.row_count, self._blocks_per_row).take(indices)
            return self._decode(raw).reshape(len(indices), *self.info.shape[1:]), count
        blocks, at = np.unique(indices // self.kind.elements, return_inverse=True)
        raw, count = self._stored(self.row_count // self.kind.elements, 1).take(blocks)
        rows = self._decode(raw).reshape(len(blocks), self.kind.elements)
        return rows[at, indices % self.kind.elements], count

    def slab(self, place: int) -> BlockTensor:
        """Return index `place` along axis 0 as a tensor of its own; it must have two axes or more."""
        nbytes = self._blocks_per_row * self.kind.nbytes
        info = replace(self.info, shape=self.info.shape[1:], nbytes=nbytes)
        return replace(self, info=info, offset=self.offset + place * nbytes)

    def blocks(self, max_bytes: int) -> Iterator[tuple[Array, int]]:
        """Yield the elements in order as flat arrays of at most `max_bytes`, each with the bytes read for it."""
        total = self.info.size // self.kind.elements
        stored = self._stored(total, 1)
        most = max(1, max_bytes // 4)
        step = max(1, most // self.kind.elements)
        for start in range(0, total, step):
            raw, count = stored.take(np.arange(start, min(start + step, total), dtype=np.int64))
            flat = self._decode(raw)
            for at in range(0, flat.size, most):
                yield flat[at : at + most], 0 if at else count

    @property
    def _blocks_per_row(self) -> int:
        return prod(self.info.shape[1:]) // self.kind.elements if len(self.info.shape) > 1 else 1

    def _stored(self, rows: int, blocks: int) -> StoredTensor:
        """The bytes of the tensor, `blocks` blocks a row."""
        width = blocks * self.kind.nbytes
        info = TensorInfo(
            name=self.info.name, shape=(rows, width), dtype="U8", shard=self.info.shard, nbytes=rows * width
        )
        return StoredTensor(info=info, element=_BYTES, region=self.source, offset=self.offset)

    def _decode(self, raw: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the weights of whole blocks, flat."""
        flat = raw.reshape(-1)
        values = np.empty(flat.size // self.kind.nbytes * self.kind.elements, dtype=np.float32)
        step = max(1, _AT_ONCE // self.kind.elements)
        for start in range(0, values.size // self.kind.elements, step):
            part = flat[start * self.kind.nbytes : (start + step) * self.kind.nbytes]
            decoded = _dequantise(part, self.kind.type_id)
            values[start * self.kind.elements : start * self.kind.elements + decoded.size] = decoded
        return values


def _dequantise(raw: npt.NDArray[np.uint8], type_id: int) -> npt.NDArray[np.float32]:
    from gguf import GGMLQuantizationType, dequantize  # deferred: its import costs a tenth of a second

    with np.errstate(all="ignore"):  # scales may be infinite or no numbers: then so are the weights
        decoded: npt.NDArray[np.float32] = dequantize(raw.reshape(1, -1), GGMLQuantizationType(type_id))
    return decoded.reshape(-1)


@cache
def _is_decoded(type_id: int) -> bool:
    try:
        _dequantise(np.zeros(block_types()[type_id].nbytes, dtype=np.uint8), type_id)
    except NotImplementedError:
        return False
    return True
