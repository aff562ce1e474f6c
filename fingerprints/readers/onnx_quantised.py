"""Weights of an ONNX model that are integers with a scale: (q - zero point) * scale, a few rows at a time.

Formula: https://onnx.ai/onnx/operators/onnx__DequantizeLinear.html
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from fingerprints.checkpoint import Array, Encoding, TensorInfo
from fingerprints.readers.decoded_tensor import DecodedTensor, Rows
from fingerprints.readers.element_types import FLOATS
from fingerprints.readers.onnx_data import transposed
from fingerprints.readers.onnx_use import Quantisation
from fingerprints.readers.row_tensor import RowTensor
from fingerprints.readers.stored_tensor import StoredTensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Halves:
    """Integers of 4 bits, two to a byte in C order, the low half first: `shape` elements in the bytes of `stored`."""

    stored: StoredTensor
    shape: tuple[int, ...]
    signed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grid:
    """Values that are spread over a weight: along each axis one for `repeat` elements, 0 where one serves all."""

    stored: StoredTensor
    repeat: tuple[int, ...]
    halves: Halves | None = None


def dequantised(
    weight: StoredTensor,
    scale: StoredTensor,
    zero: StoredTensor | None,
    known: Quantisation,
    *,
    name: str,
    swapped: bool,
    halves: Halves | None = None,
    zero_halves: Halves | None = None,
) -> RowTensor:
    """Return the numbers that a quantised weight stands for, as float32.

    Parameters
    ----------
    weight, scale, zero : StoredTensor
        As they are stored; the scale is a number, a vector along `known.axis`, or has the axes of the weight.
    known : Quantisation
        How they belong together.
    name : str
        What the result is called.
    swapped : bool
        Whether rows of the result are columns of the stored matrix.
    halves, zero_halves : Halves, optional
        How the elements of weight and zero point are packed, where they have 4 bits.
    """
    shape = weight.info.shape if halves is None else halves.shape
    parts = [weight, scale] if zero is None else [weight, scale, zero]
    bits = weight.element.bits if halves is None else 4
    scales = _grid(scale, None, shape, known)
    zeros = None if zero is None else _grid(zero, zero_halves, shape, known)
    info = TensorInfo(
        name=name,
        shape=shape[::-1] if swapped else shape,
        dtype="F32",
        shard=weight.info.shard,
        nbytes=sum(part.info.nbytes for part in parts),
        encoding=Encoding(
            scheme="fp8" if weight.element.name.startswith("F8") else f"int{bits}",
            bits=bits,
            group_size=known.block or None,
        ),
    )
    fault = next((part.fault for part in parts if part.fault is not None), None)
    if scales is None or (zero is not None and zeros is None):
        odd = scale if scales is None else zero
        shown = list(odd.info.shape) if odd is not None else []
        fault = fault or f"a scale or zero point of shape {shown} does not fit its shape {list(shape)}"
    elif scale.info.dtype not in FLOATS:
        fault = fault or f"its scale is of the type {scale.info.dtype}"
    if fault is not None or scales is None:
        return replace(weight, info=info, fault=fault)
    integers = _Grid(stored=weight, repeat=(1,) * len(shape), halves=halves)

    def decode(rows: Rows) -> tuple[Array, int]:
        values, count = _rows(integers, rows, info.shape, swapped)
        numbers = values.astype(np.float32)
        if zeros is not None:
            offsets, more = _rows(zeros, rows, info.shape, swapped)
            numbers -= offsets.astype(np.float32)
            count += more
        factors, more = _rows(scales, rows, info.shape, swapped)
        numbers *= factors.astype(np.float32)
        return numbers, count + more

    width = prod(info.shape[1:])
    cheap = not swapped and weight.cost(1) is not None
    return DecodedTensor(info=info, decode=decode, row_bytes=width * (1 + 8) if cheap else None)


def _grid(values: StoredTensor, halves: Halves | None, shape: tuple[int, ...], known: Quantisation) -> _Grid | None:
    """Lay scales or zero points along the axes of a weight; None where their shape does not fit."""
    own = values.info.shape if halves is None else halves.shape
    rank = len(shape)
    if prod(own) == 1:
        laid = (1,) * rank
    elif len(own) == 1 and known.axis is not None and not known.block:
        axis = known.axis + rank if known.axis < 0 else known.axis
        if not 0 <= axis < rank:
            return None
        laid = tuple(own[0] if place == axis else 1 for place in range(rank))
    elif len(own) <= rank:
        laid = (1,) * (rank - len(own)) + own
    else:
        return None
    axis = rank - 1 if known.axis is None else known.axis % max(rank, 1)
    repeat = []
    for place, (count, length) in enumerate(zip(laid, shape, strict=True)):
        block = known.block if place == axis else 0
        if count == 1:
            repeat.append(0)
        elif block and count == -(-length // block):
            repeat.append(block)
        elif count == length:
            repeat.append(1)
        else:
            return None
    info = replace(values.info, shape=laid)
    packed = None if halves is None else replace(halves, shape=laid)
    return _Grid(stored=values if packed else replace(values, info=info), repeat=tuple(repeat), halves=packed)


def _rows(grid: _Grid, rows: Rows, shape: tuple[int, ...], swapped: bool) -> tuple[Array, int]:
    """The values that belong to rows of a weight of `shape`, in a shape that broadcasts to theirs."""
    repeat = grid.repeat[::-1] if swapped else grid.repeat
    if not shape:
        values, count = _taken(grid, np.zeros(1, dtype=np.int64), swapped)
        return values, count
    wanted = rows // repeat[0] if repeat[0] else np.zeros(len(rows), dtype=np.int64)
    distinct, place = np.unique(wanted, return_inverse=True)
    values, count = _taken(grid, distinct, swapped)
    if len(distinct) < len(rows):
        values = values[place]
    for axis, block in enumerate(repeat):
        if axis and block > 1:
            values = np.repeat(values, block, axis=axis)[(slice(None),) * axis + (slice(shape[axis]),)]
    return values, count


def _taken(grid: _Grid, rows: Rows, swapped: bool) -> tuple[Array, int]:
    """Rows of the grid, of its columns where it is swapped."""
    if grid.halves is not None:
        return _halves(grid.halves, rows, swapped)
    stored = grid.stored
    if swapped:
        stored = transposed(stored)
    return stored.take(rows)


def _halves(packed: Halves, rows: Rows, swapped: bool) -> tuple[Array, int]:
    """Rows of integers of 4 bits; where a row does not begin with a byte, the byte that it begins in is read."""
    if len(packed.shape) < 2:
        values, count = packed.stored.take(np.unique(rows // 2))
        pairs = np.stack([values & 15, values >> 4], axis=-1)[np.searchsorted(np.unique(rows // 2), rows)]
        return _signed(pairs[np.arange(len(rows)), rows % 2], packed.signed), count
    height, width = packed.shape[0], prod(packed.shape[1:])
    bytes_of = packed.stored
    if swapped:
        at = rows[:, None] + np.arange(height, dtype=np.int64)[None, :] * width
    else:
        at = rows[:, None] * width + np.arange(width, dtype=np.int64)[None, :]
    needed, place = np.unique(at // 2, return_inverse=True)
    flat = replace(bytes_of, info=replace(bytes_of.info, shape=(-(-height * width // 2),)))
    values, count = _gathered(flat, needed)
    found = values[place.reshape(at.shape)]
    found = np.where(at % 2 == 0, found & 15, found >> 4).astype(np.uint8)
    shape = (len(rows), height) if swapped else (len(rows), *packed.shape[1:])
    return _signed(found.reshape(shape), packed.signed), count


def _gathered(flat: StoredTensor, needed: Rows) -> tuple[Array, int]:
    """Bytes at sorted positions; many of them, close to each other, are read in one piece."""
    strided = replace(flat, strides=(1,))
    return strided.take(needed)


def _signed(values: Array, signed: bool) -> Array:
    numbers = values.astype(np.int8)
    return np.where(numbers > 7, numbers - 16, numbers) if signed else numbers
