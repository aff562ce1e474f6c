"""The JSON that bitsandbytes stores beside a 4 bit weight: its shape, and how its scales are arranged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from fingerprints.errors import CorruptCheckpoint
from fingerprints.readers.bounded_json import parse_object
from fingerprints.readers.packed.weight import path_of
from fingerprints.readers.reader import MAX_RANK
from fingerprints.readers.row_tensor import RowTensor

MAX_STATE: Final = 1 << 16
"""Bytes of the largest state that is parsed; the library writes less than 300."""

_MAX_LENGTH: Final = 1 << 40
_MAX_OFFSET: Final = 1e30
_HINT: Final = "quantise the weight anew"


@dataclass(frozen=True, slots=True, kw_only=True)
class NestedScales:
    """Scales that are 8 bit codes: so many share a scale of their own, and `offset` is added."""

    blocksize: int
    offset: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantState:
    """The shape of a weight, how many of its numbers share a scale, and how the scales are stored if not plainly."""

    shape: tuple[int, ...]
    blocksize: int
    nested: NestedScales | None = None


def read_quant_state(tensor: RowTensor) -> QuantState:
    """Read and check the state in `tensor`.

    Raises
    ------
    CorruptCheckpoint
        When it is not what the library writes; the message is about the state alone.
    """
    path = path_of(tensor)
    if tensor.info.dtype != "U8" or len(tensor.info.shape) != 1 or not 0 < tensor.info.nbytes <= MAX_STATE:
        raise CorruptCheckpoint(
            f"its quant_state is {tensor.info.dtype} of shape {list(tensor.info.shape)}, not U8 of 1 to {MAX_STATE}",
            path=path,
            hint=_HINT,
            limit=MAX_STATE,
            actual=tensor.info.nbytes,
        )
    text, _ = tensor.take(np.arange(tensor.info.nbytes, dtype=np.int64))
    document = parse_object(text.tobytes(), path=path, what="the quant_state", hint=_HINT)
    shape, blocksize = _lengths(document.get("shape")), _length(document.get("blocksize"))
    if shape is None or blocksize is None:
        raise CorruptCheckpoint(
            f"its quant_state has no shape of 1 to {MAX_RANK} lengths, or no blocksize, each from 1 to 2**40",
            path=path,
            hint=_HINT,
        )
    if "nested_blocksize" not in document and "nested_offset" not in document:
        return QuantState(shape=shape, blocksize=blocksize)
    inner, offset = _length(document.get("nested_blocksize")), document.get("nested_offset")
    if inner is None or not isinstance(offset, int | float) or not -_MAX_OFFSET <= offset <= _MAX_OFFSET:
        raise CorruptCheckpoint(
            f"its quant_state has no nested_blocksize from 1 to 2**40, or no nested_offset up to {_MAX_OFFSET:g}",
            path=path,
            hint=_HINT,
        )
    return QuantState(shape=shape, blocksize=blocksize, nested=NestedScales(blocksize=inner, offset=float(offset)))


def _lengths(value: object) -> tuple[int, ...] | None:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_RANK:
        return None
    lengths = tuple(length for each in value if (length := _length(each)) is not None)
    return lengths if len(lengths) == len(value) else None


def _length(value: object) -> int | None:
    return value if type(value) is int and 1 <= value <= _MAX_LENGTH else None
