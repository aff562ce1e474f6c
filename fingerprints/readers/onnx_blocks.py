"""Weights of MatMulNBits nodes: integers of 2, 4 or 8 bits in blocks along the inputs, each block with a scale.

Layout: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulNBits
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from fingerprints.checkpoint import Array, Encoding, TensorInfo
from fingerprints.readers.decoded_tensor import DecodedTensor, Rows
from fingerprints.readers.onnx_use import Packed
from fingerprints.readers.row_tensor import RowTensor
from fingerprints.readers.stored_tensor import StoredTensor

_BITS: Final = (2, 4, 8)


def unpacked(
    weight: StoredTensor, scales: StoredTensor, zeros: StoredTensor | None, known: Packed, *, name: str
) -> RowTensor:
    """Return the matrix of outputs by inputs that a MatMulNBits node multiplies with, as float32."""
    parts = [weight, scales] if zeros is None else [weight, scales, zeros]
    nbytes = sum(part.info.nbytes for part in parts)
    fault = next((part.fault for part in parts if part.fault is not None), None) or _misfit(weight, scales, known)
    if fault is not None:
        return replace(weight, info=replace(weight.info, name=name, nbytes=nbytes), fault=fault)
    rows, columns, bits, block = known.rows, known.columns, known.bits, known.block
    blocks = -(-columns // block)
    width = weight.info.size // rows
    codes = _as_rows(weight, rows, width)
    factors = _as_rows(scales, rows, blocks)
    packed = zeros is not None and zeros.info.dtype == "U8"
    offsets: StoredTensor | None = None
    if zeros is not None:
        per_row = -(-blocks * bits // 8) if packed else blocks
        if zeros.info.size != rows * per_row:
            reason = f"{zeros.info.size} zero points do not fit {rows} rows of {blocks} blocks"
            return replace(weight, info=replace(weight.info, name=name, nbytes=nbytes), fault=reason)
        offsets = _as_rows(zeros, rows, per_row)
    info = TensorInfo(
        name=name,
        shape=(rows, columns),
        dtype="F32",
        shard=weight.info.shard,
        nbytes=nbytes,
        encoding=Encoding(scheme=f"int{bits}", bits=bits, group_size=block),
    )

    def decode(wanted: Rows) -> tuple[Array, int]:
        raw, count = codes.take(wanted)
        values = _fields(raw, bits).reshape(len(wanted), blocks, block).astype(np.float32)
        if offsets is None:
            values -= np.float32(1 << (bits - 1))
        else:
            zero, more = offsets.take(wanted)
            points = _fields(zero, bits)[:, :blocks] if packed else zero
            values -= points.astype(np.float32)[:, :, None]
            count += more
        factor, more = factors.take(wanted)
        values *= factor.astype(np.float32)[:, :, None]
        return np.ascontiguousarray(values.reshape(len(wanted), blocks * block)[:, :columns]), count + more

    costs = [part.cost(1) for part in (codes, factors, offsets) if part is not None]
    known_costs = [cost for cost in costs if cost is not None]
    return DecodedTensor(
        info=info, decode=decode, row_bytes=sum(known_costs) if len(known_costs) == len(costs) else None
    )


def _misfit(weight: StoredTensor, scales: StoredTensor, known: Packed) -> str | None:
    """Why the sizes of a node do not fit the tensors."""
    whole_bytes = known.block * known.bits % 8 == 0
    if known.bits not in _BITS or known.rows < 1 or known.columns < 1 or known.block < 1 or not whole_bytes:
        return (
            f"{known.rows} rows of {known.columns} columns with {known.bits} bits in blocks of {known.block} are not"
            " a weight that is read"
        )
    blocks = -(-known.columns // known.block)
    if weight.info.dtype != "U8" or 8 * weight.info.size != known.rows * blocks * known.block * known.bits:
        return f"{weight.info.size} {weight.info.dtype} elements do not hold {known.rows} x {known.columns} weights"
    if scales.info.size != known.rows * blocks or not scales.info.dtype.startswith(("F", "BF")):
        return f"{scales.info.size} {scales.info.dtype} scales do not fit {known.rows} rows of {blocks} blocks"
    return None


def _as_rows(stored: StoredTensor, rows: int, width: int) -> StoredTensor:
    return replace(stored, info=replace(stored.info, shape=(rows, width)))


def _fields(raw: Array, bits: int) -> Array:
    """Unsigned integers of `bits` bits in the bytes of each row, the lowest first."""
    if bits == 8:
        return raw
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    spread = (raw[:, :, None] >> shifts) & np.uint8((1 << bits) - 1)
    return spread.reshape(len(raw), raw.shape[1] * len(shifts))
