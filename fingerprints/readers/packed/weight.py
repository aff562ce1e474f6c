"""Weights put together from their parts, or refused with the reason, and what is the same for every scheme."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path

import numpy as np

from fingerprints.checkpoint import Array, Encoding, TensorInfo
from fingerprints.readers.decoded_tensor import DecodedTensor, Rows, unreadable
from fingerprints.readers.packed.scheme import Tensors, Unpacked
from fingerprints.readers.row_tensor import RowTensor

FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
"""Types that scales come in."""
FLOAT8 = frozenset({"F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ"})
"""Floats of 8 bits that hold a sign and a fraction."""

Decode = Callable[[Rows], tuple[Array, int]]


def assembled(
    name: str,
    tensors: Tensors,
    parts: Sequence[str],
    *,
    shape: tuple[int, ...],
    encoding: Encoding,
    decode: Decode,
    row_bytes: int | None,
) -> Unpacked:
    """Return the weight `name` of float32 numbers, made of `parts`; `DecodedTensor` says what the others mean."""
    info = _info(name, tensors, parts, shape, encoding)
    return Unpacked(weight=DecodedTensor(info=info, decode=decode, row_bytes=row_bytes), parts=tuple(parts))


def refused(
    name: str, tensors: Tensors, parts: Sequence[str], *, encoding: Encoding, reason: str, shape: tuple[int, ...] = ()
) -> Unpacked:
    """Return the weight `name` as a tensor that cannot be read for `reason`; `shape` is that of its first part if left.

    It still takes the place of its parts, so that nobody takes packed numbers for weights.
    """
    info = _info(name, tensors, parts, shape or tensors[parts[0]].info.shape, encoding)

    def decode(rows: Rows) -> tuple[Array, int]:
        raise unreadable(info, Path(info.shard), reason)

    return Unpacked(weight=DecodedTensor(info=info, decode=decode, row_bytes=None), parts=tuple(parts))


def present(tensors: Mapping[str, RowTensor], *names: str) -> tuple[str, ...]:
    """Return those of `names` that the checkpoint has."""
    return tuple(name for name in names if name in tensors)


def row_size(tensor: RowTensor) -> int:
    """Bytes of one row as stored, rounded up."""
    return -(-tensor.info.nbytes // max(1, tensor.row_count))


def float32(values: Array) -> Array:
    """Return numbers as float32; what is too large for it becomes infinite, without a warning."""
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(np.float32)


def single(tensor: RowTensor) -> tuple[np.float32, int]:
    """Return the only number of a tensor of one element, and the bytes read for it."""
    values, count = tensor.take(np.zeros(1, dtype=np.int64))
    return np.float32(float32(values).reshape(-1)[0]), count


def is_single(tensor: RowTensor) -> bool:
    """Whether a tensor holds one number, whatever its rank."""
    return prod(tensor.info.shape) == 1


def _info(name: str, tensors: Tensors, parts: Sequence[str], shape: tuple[int, ...], encoding: Encoding) -> TensorInfo:
    first = tensors[parts[0]].info
    return TensorInfo(
        name=name,
        shape=shape,
        dtype="F32",
        shard=first.shard,
        nbytes=sum(tensors[part].info.nbytes for part in parts),
        encoding=encoding,
    )
