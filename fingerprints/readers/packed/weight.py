"""Weights put together from their parts, or refused with the reason, and what is the same for every scheme."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Final

import numpy as np

from fingerprints.checkpoint import Array, Encoding, TensorInfo
from fingerprints.errors import UnreadableTensor
from fingerprints.readers.decoded_tensor import Decode, DecodedTensor, broken, unreadable
from fingerprints.readers.packed.scheme import Tensors, Unpacked
from fingerprints.readers.row_tensor import RowTensor
from fingerprints.readers.stored_tensor import StoredTensor

FLOAT8: Final = frozenset({"F8_E4M3", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ"})
"""Floats of 8 bits that hold a sign and a fraction."""
FP8: Final = {
    dtype: Encoding(scheme="fp8", bits=8, fraction_bits=3 if "E4M3" in dtype else 2) for dtype in sorted(FLOAT8)
}
"""How floats of 8 bits with a scale are encoded, by their type."""
DECODED: Final = "F32"
PIECE: Final = 1 << 22
"""Bytes of a packed tensor, or of decoded numbers, that are worked on at once."""


def described(
    name: str, tensors: Tensors, parts: Sequence[str], shape: tuple[int, ...], encoding: Encoding
) -> TensorInfo:
    """Describe the weight `name` that `parts` make up; it is where the first of them is."""
    return TensorInfo(
        name=name,
        shape=shape,
        dtype=DECODED,
        shard=tensors[parts[0]].info.shard,
        nbytes=sum(tensors[part].info.nbytes for part in parts),
        encoding=encoding,
    )


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
    info = described(name, tensors, parts, shape, encoding)
    return Unpacked(weight=DecodedTensor(info=info, decode=decode, row_bytes=row_bytes), parts=tuple(parts))


def refused(
    name: str, tensors: Tensors, parts: Sequence[str], *, encoding: Encoding, reason: str, shape: tuple[int, ...] = ()
) -> Unpacked:
    """Return the weight `name` as a tensor that cannot be read for `reason`; `shape` is that of its first part if left.

    It still takes the place of its parts, so that nobody takes packed numbers for weights.
    """
    first = tensors[parts[0]]
    info = described(name, tensors, parts, shape or first.info.shape, encoding)
    return Unpacked(weight=broken(info, path_of(first), reason), parts=tuple(parts))


def fault(info: TensorInfo, part: RowTensor, reason: str) -> UnreadableTensor:
    """Return the error that says why a weight, and no other, cannot be read; it names the file of `part`."""
    return unreadable(info, path_of(part), reason)


def path_of(tensor: RowTensor) -> Path:
    """Return the file that a tensor is in; its name in the checkpoint, where the tensor itself is computed."""
    return tensor.region.path if isinstance(tensor, StoredTensor) else Path(tensor.info.shard)


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


def is_single(tensor: RowTensor) -> bool:
    """Whether a tensor holds one number, whatever its rank."""
    return prod(tensor.info.shape) == 1


def pieces(tensor: RowTensor, step: int) -> Iterator[tuple[int, Array, int]]:
    """Yield all rows of a tensor, at most `step` at a time: number of the first, values, bytes read."""
    for start in range(0, tensor.row_count, step):
        rows, count = tensor.take(np.arange(start, min(start + step, tensor.row_count), dtype=np.int64))
        yield start, rows, count


def at_once(width: int) -> int:
    """Return how many rows of `width` bytes make up a piece."""
    return max(1, PIECE // max(width, 1))
