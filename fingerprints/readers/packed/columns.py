"""Weights that are packed with the outputs as columns: those of GPTQ and AWQ.

    weight[o, i] = (code[i, o] - zero[group(i), o]) * scale[group(i), o]

Rows of the weight are columns of what is stored, so that reading any of them reads all of the packed tensor, a piece at
a time; only the wanted columns are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprints.checkpoint import Array, TensorInfo
from fingerprints.readers.decoded_tensor import Rows
from fingerprints.readers.packed.bits import Codes, unpack_some
from fingerprints.readers.packed.weight import at_once, fault, pieces
from fingerprints.readers.row_tensor import RowTensor

Pick = Callable[[Array, Rows], Codes]
"""Takes packed rows and outputs, and returns their codes, shape (outputs, inputs in these rows)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnPacked:
    """A weight of shape (outputs, inputs) in `bits` bits.

    `pick` finds the codes of some outputs in rows of `words`; `step` rows begin and end between two inputs, and hold
    `inputs_a_step` of them. `fields` says where in a row of `zeros` the outputs lie. `raised` is what is added to a
    stored zero point, modulo 2**bits. `order` holds the group of each input; where it is None, groups are `width`
    neighbouring inputs.
    """

    info: TensorInfo
    words: RowTensor
    zeros: RowTensor
    scales: RowTensor
    order: RowTensor | None
    bits: int
    width: int
    step: int
    inputs_a_step: int
    pick: Pick
    fields: Callable[[Rows], Rows]
    raised: int

    def decode(self, outputs: Rows) -> tuple[Array, int]:
        """Return the rows at `outputs` as float32, and how many bytes were read for them.

        Steps that are not finite make numbers that are not, without a warning.
        """
        inputs = self.info.shape[1]
        weight = np.empty((len(outputs), inputs), dtype=np.float32)
        if not weight.size:
            return weight, 0
        with np.errstate(invalid="ignore", over="ignore"):
            return weight, self._fill(weight, outputs)

    def _fill(self, weight: npt.NDArray[np.float32], outputs: Rows) -> int:
        inputs = weight.shape[1]
        group, read = self._groups(inputs)
        scales, more = self._scales(outputs)
        zeros, most = self._zeros(outputs)
        read += more + most
        row_bytes = max(self.words.info.shape[1] * 4 * self.step, 4 * len(outputs) * self.inputs_a_step)
        for start, rows, count in pieces(self.words, at_once(row_bytes) * self.step):
            first = start // self.step * self.inputs_a_step
            codes = self.pick(rows, outputs)[:, : inputs - first]
            stop = first + codes.shape[1]
            part = weight[:, first:stop]
            np.subtract(codes, zeros[:, group[first:stop]], out=part)
            part *= scales[:, group[first:stop]]
            read += count
        return read

    def _groups(self, inputs: int) -> tuple[Rows, int]:
        if self.order is None:
            return np.arange(inputs, dtype=np.int64) // self.width, 0
        stored, count = self.order.take(np.arange(inputs, dtype=np.int64))
        group = stored.astype(np.int64)
        groups = self.scales.info.shape[0]
        if group.min() < 0 or group.max() >= groups:
            reason = f"its g_idx names groups from {group.min()} to {group.max()}, of {groups}"
            raise fault(self.info, self.order, reason)
        return group, count

    def _scales(self, outputs: Rows) -> tuple[npt.NDArray[np.float32], int]:
        groups, width = self.scales.info.shape
        found = np.empty((len(outputs), groups), dtype=np.float32)
        read = 0
        for start, rows, count in pieces(self.scales, at_once(4 * max(width, len(outputs)))):
            found[:, start : start + len(rows)] = rows[:, outputs].T.astype(np.float32)
            read += count
        return found, read

    def _zeros(self, outputs: Rows) -> tuple[npt.NDArray[np.float32], int]:
        groups, width = self.zeros.info.shape
        found = np.empty((len(outputs), groups), dtype=np.float32)
        at = self.fields(outputs)
        read = 0
        for start, rows, count in pieces(self.zeros, at_once(4 * max(width, len(outputs)))):
            codes = unpack_some(rows, self.bits, at).T
            found[:, start : start + len(rows)] = (codes + np.uint8(self.raised)) & np.uint8((1 << self.bits) - 1)
            read += count
        return found, read
