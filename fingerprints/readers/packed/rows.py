"""Weights that are packed row by row, with a step for every row, or for every group of neighbouring inputs in it."""

from __future__ import annotations

from math import prod

import numpy as np

from fingerprints.checkpoint import Array
from fingerprints.readers.decoded_tensor import Decode, Rows
from fingerprints.readers.packed.weight import at_once, float32, is_single
from fingerprints.readers.row_tensor import RowTensor


def decode_rows(shape: tuple[int, ...], indices: Rows, compute: Decode) -> tuple[Array, int]:
    """Compute rows of a weight of a shape a piece at a time, as float32, and count the bytes read for them.

    Steps that are not finite make numbers that are not, without a warning.
    """
    weight = np.empty((len(indices), *shape[1:]), dtype=np.float32)
    step = at_once(4 * prod(shape[1:]))
    read = 0
    with np.errstate(invalid="ignore", over="ignore"):
        for start in range(0, len(indices) if weight.size else 0, step):
            weight[start : start + step], count = compute(indices[start : start + step])
            read += count
    return weight, read


def groups_of(shape: tuple[int, ...], weight: tuple[int, ...]) -> int | None:
    """Return how many values of a tensor of a shape each row of a weight has: steps or zero points.

    One value for the whole weight, or for each of the rows along axis 0, counts as one a row; None if the shape fits in
    none of these ways.
    """
    if prod(shape) == 1 or shape == weight[:1]:
        return 1
    return shape[-1] if len(shape) == len(weight) and shape[:-1] == weight[:-1] and shape[-1] else None


def side_rows(tensor: RowTensor, indices: Rows, rank: int) -> tuple[Array, int]:
    """Return the values for rows of a weight of so many axes, to be broadcast but for the last, as float32."""
    shape = tensor.info.shape
    if is_single(tensor):
        values, count = tensor.take(np.zeros(1, dtype=np.int64))
        return float32(values).reshape((1,) * rank), count
    values, count = tensor.take(indices)
    if len(shape) == 1:
        values = values.reshape(-1, *(1,) * (rank - 1))
    return float32(values), count


def spread(values: Array, group: Rows | None) -> Array:
    """Return the value of each input's group, shape (..., inputs); the values themselves where there are no groups."""
    return values if group is None or values.shape[-1] == 1 else values[..., group]
