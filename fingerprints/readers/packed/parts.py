"""The stored tensors that one packed weight is made of, and the weight that takes their place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn

import numpy as np

from fingerprints.checkpoint import Array, Encoding, TensorInfo
from fingerprints.errors import UnreadableTensor
from fingerprints.readers.decoded_tensor import DecodedTensor, Rows, unreadable
from fingerprints.readers.packed.scheme import Tensors, Unpacked
from fingerprints.readers.row_tensor import RowTensor
from fingerprints.readers.stored_tensor import StoredTensor

FLOATS: Final = ("F16", "BF16", "F32", "F64")
"""Element types of scales."""
DECODED: Final = "F32"
PIECE: Final = 1 << 22
"""Bytes of a packed tensor, or of decoded numbers, that are worked on at once."""

Parts = Mapping[str, RowTensor]


def modules_with(
    tensors: Tensors, first: str, *others: str, optional: Sequence[str] = ()
) -> Iterator[tuple[str, Parts]]:
    """Yield the prefix and the parts, by their names in the module, of every module that has `first` and all `others`.

    A module is left out if its weight would take the name of a tensor that is not among its parts.
    """
    for name in tensors:
        prefix, dot, last = name.rpartition(".")
        if last != first:
            continue
        at = prefix + dot
        if all(at + other in tensors for other in others) and (first == "weight" or f"{at}weight" not in tensors):
            names = (first, *others, *(other for other in optional if at + other in tensors))
            yield at, {part: tensors[at + part] for part in names}


def unpacked(info: TensorInfo, parts: Parts, weight: RowTensor) -> Unpacked:
    """Return a weight in the place of its parts."""
    prefix = info.name.removesuffix("weight")
    return Unpacked(weight=weight, parts=tuple(prefix + part for part in parts))


def described(prefix: str, parts: Parts, shape: tuple[int, ...], encoding: Encoding) -> TensorInfo:
    """Describe the weight that parts make up."""
    return TensorInfo(
        name=f"{prefix}weight",
        shape=shape,
        dtype=DECODED,
        shard=next(iter(parts.values())).info.shard,
        nbytes=sum(part.info.nbytes for part in parts.values()),
        encoding=encoding,
    )


def refused(prefix: str, parts: Parts, scheme: str, reason: str) -> Unpacked:
    """Return a weight that raises UnreadableTensor with a reason; its shape is that of its first part."""
    first = next(iter(parts.values()))
    encoding = Encoding(scheme=scheme, bits=8 * first.info.nbytes / max(first.info.size, 1))
    info = described(prefix, parts, first.info.shape, encoding)

    def refuse(indices: Rows) -> NoReturn:
        raise fault(info, first, reason)

    return unpacked(info, parts, DecodedTensor(info=info, decode=refuse, row_bytes=None))


def fault(info: TensorInfo, part: RowTensor, reason: str) -> UnreadableTensor:
    """Return the error that says why a weight, and no other, cannot be read."""
    path = part.region.path if isinstance(part, StoredTensor) else Path(part.info.shard)
    return unreadable(info, path, reason)


def pieces(tensor: RowTensor, step: int) -> Iterator[tuple[int, Array, int]]:
    """Yield all rows of a tensor, at most `step` at a time: number of the first, values, bytes read."""
    for start in range(0, tensor.row_count, step):
        rows, count = tensor.take(np.arange(start, min(start + step, tensor.row_count), dtype=np.int64))
        yield start, rows, count


def at_once(width: int) -> int:
    """Return how many rows of `width` bytes make up a piece."""
    return max(1, PIECE // max(width, 1))
