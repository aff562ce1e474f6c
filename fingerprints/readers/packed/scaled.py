"""Elements of 8 bits times scales that lie beside them, one for each block of equal size."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from fingerprints.checkpoint import Array, Encoding
from fingerprints.readers.decoded_tensor import Rows
from fingerprints.readers.element_types import FLOATS
from fingerprints.readers.packed.scheme import Tensors, Unpacked
from fingerprints.readers.packed.weight import assembled, float32, is_single, refused, row_size
from fingerprints.readers.row_tensor import RowTensor

_USUAL_BLOCK: Final = 128
_LARGEST_POWER: Final = 16


def scaled(
    name: str,
    tensors: Tensors,
    parts: tuple[str, ...],
    *,
    encoding: Encoding,
    claimed: tuple[int, ...] = (),
    zero: str | None = None,
) -> Unpacked:
    """Return the weight `name`: the first of `parts` times the second, which may have a scale for each block.

    `claimed` is the size of a block along the last axes, as someone says; `zero` names a part that is subtracted first,
    of the shape of the scales.
    """
    elements, scale = tensors[parts[0]], tensors[parts[1]]
    shape = elements.info.shape
    sides = (scale,) if zero is None else (tensors[zero], scale)
    blocks = _blocks(shape, scale, claimed)
    reason = None
    if scale.info.dtype not in FLOATS and scale.info.dtype != "F8_E8M0":
        reason = f"its scales are of the type {scale.info.dtype}, which no scale has"
    elif blocks is None:
        reason = f"{list(scale.info.shape)} scales do not divide {list(shape)} elements into equal blocks"
    elif sides[0].info.shape != scale.info.shape:
        reason = f"{list(sides[0].info.shape)} zero points do not match {list(scale.info.shape)} scales"
    if reason is not None or blocks is None:
        return refused(name, tensors, parts, encoding=encoding, reason=reason or "")

    def decode(rows: Rows) -> tuple[Array, int]:
        values, count = _numbers(elements, rows)
        for side in sides:
            factors, more = _spread(side, rows, shape, blocks)
            count += more
            with np.errstate(over="ignore", invalid="ignore"):
                if side is scale:
                    values *= factors
                else:
                    values -= factors
        return values, count

    if shape and 1 < blocks[-1] < shape[-1]:
        encoding = replace(encoding, group_size=blocks[-1])
    row_bytes = row_size(elements) + sum(row_size(side) for side in sides)
    return assembled(name, tensors, parts, shape=shape, encoding=encoding, decode=decode, row_bytes=row_bytes)


def block_sizes(
    shape: tuple[int, ...], scale_shape: tuple[int, ...], claimed: tuple[int, ...] = ()
) -> tuple[int, ...] | None:
    """Return how many weights share a scale along each axis, None if the shapes do not go together.

    n scales cover d weights in blocks of b if ⌈d / b⌉ = n. Several b may do: the claimed one goes first, then 128, then
    the even division, then powers of two.
    """
    if len(shape) != len(scale_shape) or 0 in shape or 0 in scale_shape:
        return None
    found = []
    wanted = (0,) * (len(shape) - len(claimed)) + claimed[-len(shape) :]
    for length, count, claim in zip(shape, scale_shape, wanted, strict=True):
        if count in (1, length):
            found.append(length // count)
            continue
        even = length // count if length % count == 0 else 0
        sizes = (claim, _USUAL_BLOCK, even, *(1 << power for power in range(1, _LARGEST_POWER + 1)))
        block = next((size for size in sizes if size > 0 and -(-length // size) == count), None)
        if block is None:
            return None
        found.append(block)
    return tuple(found)


def _blocks(shape: tuple[int, ...], scale: RowTensor, claimed: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the block sizes; one scale is for the whole tensor, a list of them for the rows, whatever the rank."""
    if is_single(scale):
        return shape
    return block_sizes(shape, _aligned(shape, scale), claimed)


def _aligned(shape: tuple[int, ...], scale: RowTensor) -> tuple[int, ...]:
    """Return the shape of the scales with as many axes as the elements have."""
    if is_single(scale):
        return (1,) * len(shape)
    found = scale.info.shape
    return (*found, *(1,) * (len(shape) - 1)) if found == shape[:1] else found


def _spread(side: RowTensor, rows: Rows, shape: tuple[int, ...], blocks: tuple[int, ...]) -> tuple[Array, int]:
    """Return scales for the elements of `rows`, float32 of a shape that multiplies with them, and the bytes read."""
    if not shape:
        rows, blocks = np.zeros_like(rows), (1,)
    needed, inverse = np.unique(rows // blocks[0], return_inverse=True)
    stored, count = side.take(needed)
    length = _aligned(shape, side)[1:]
    factors: Array = float32(stored).reshape(len(needed), *length)
    for axis, (has, block) in enumerate(zip(length, blocks[1:], strict=True), start=1):
        if has > 1 and block > 1:
            factors = np.repeat(factors, block, axis=axis)[(slice(None),) * axis + (slice(0, shape[axis]),)]
    return factors[inverse], count


def _numbers(elements: RowTensor, rows: Rows) -> tuple[Array, int]:
    raw, count = elements.take(rows)
    with np.errstate(invalid="ignore"):
        # A table of all 256 elements is twice as fast as converting each.
        table = np.arange(256, dtype=np.uint8).view(raw.dtype).astype(np.float32)
    return table[raw.view(np.uint8)], count
