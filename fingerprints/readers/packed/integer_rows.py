"""Rows of integers with steps and zero points, decoded: what compressed-tensors stores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fingerprints.checkpoint import Array, TensorInfo
from fingerprints.readers.decoded_tensor import Rows
from fingerprints.readers.packed.bits import WORD_TYPES, unpack_all, unpack_some, words_of
from fingerprints.readers.packed.module import Parts
from fingerprints.readers.packed.rows import side_rows, spread
from fingerprints.readers.packed.weight import fault
from fingerprints.readers.row_tensor import RowTensor


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerRows:
    """A weight of `bits` bits whose rows have `groups` steps each, one for `width` neighbouring inputs.

    `parts` are those that `fingerprints.readers.packed.compressed_tensors` describes, and fit each other.
    """

    info: TensorInfo
    parts: Parts
    bits: int
    width: int
    groups: int

    def most_a_row(self) -> int:
        """Bytes that reading one row takes at most."""
        most = 0
        for name, part in self.parts.items():
            info = part.info
            if name == "weight_g_idx" or info.size == 1:
                most += info.nbytes
            elif name != "weight_shape":
                most += -(-info.nbytes // info.shape[0]) * (2 if info.shape[0] != self.info.shape[0] else 1)
        return most

    def compute(self, indices: Rows) -> tuple[Array, int]:
        """Return the rows at `indices`, and how many bytes were read for them."""
        rank = len(self.info.shape)
        codes, read = self._codes(indices)
        group, more = self._group()
        scales, count = side_rows(self.parts["weight_scale"], indices, rank)
        read += more + count
        zeros = self.parts.get("weight_zero_point")
        if zeros is not None:
            found, count = self._zeros(zeros, indices)
            read += count
            codes -= spread(found, group)
        codes *= spread(scales, group)
        return codes, read

    def _codes(self, indices: Rows) -> tuple[Array, int]:
        """Return signed codes as float32."""
        packed = self.parts.get("weight_packed")
        if packed is None:
            stored, count = self.parts["weight"].take(indices)
            return stored.astype(np.float32), count
        words, count = packed.take(indices)
        codes = unpack_all(words, self.bits, self.info.shape[-1]).astype(np.float32)
        codes -= 1 << self.bits - 1
        return codes, count

    def _group(self) -> tuple[Rows | None, int]:
        """Return the group of every input, None where there is one only."""
        if self.groups == 1:
            return None, 0
        inputs = self.info.shape[-1]
        in_order = np.arange(inputs, dtype=np.int64) // self.width
        order = self.parts.get("weight_g_idx")
        if order is None:
            return in_order, 0
        stored, count = order.take(np.arange(inputs, dtype=np.int64))
        group = stored.astype(np.int64)
        if group.min() < 0:
            return in_order, count
        if group.max() >= self.groups:
            raise fault(self.info, order, f"its weight_g_idx names group {group.max()}, of {self.groups}")
        return group, count

    def _zeros(self, zeros: RowTensor, indices: Rows) -> tuple[Array, int]:
        """Return signed zero points as float32, shape (rows, ..., groups)."""
        if zeros.info.dtype not in WORD_TYPES:
            return side_rows(zeros, indices, len(self.info.shape))
        if len(self.info.shape) > 2:
            words, count = zeros.take(indices)
            codes = unpack_all(words.swapaxes(-1, -2), self.bits, self.info.shape[-2]).swapaxes(-1, -2)
        else:
            held = words_of(indices, self.bits)
            words, count = zeros.take(held)
            codes = unpack_some(words.T, self.bits, indices, held).T
        return codes.astype(np.float32) - np.float32(1 << self.bits - 1), count
