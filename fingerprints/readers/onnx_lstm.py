"""Weights of ONNX's recurrent layers, given the rows of PyTorch's: one direction each, gates in PyTorch's order.

ONNX: https://onnx.ai/onnx/operators/onnx__LSTM.html (i, o, f, c), GRU (z, r, h);
PyTorch: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html (i, f, g, o), GRU (r, z, n).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import Final

import numpy as np

from fingerprints.checkpoint import Array, TensorInfo
from fingerprints.readers.decoded_tensor import DecodedTensor, Rows
from fingerprints.readers.onnx_use import Recurrent
from fingerprints.readers.row_tensor import take_in_any_order
from fingerprints.readers.stored_tensor import StoredTensor

_ORDER: Final = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
"""For each of PyTorch's gates the place of ONNX's."""
_LEAVES: Final = {"W": ("weight_ih",), "R": ("weight_hh",), "B": ("bias_ih", "bias_hh")}
_DIRECTIONS: Final = ("", "_reverse")


def split_recurrent(stored: StoredTensor, known: Recurrent) -> list[DecodedTensor]:
    """Return the weights that one tensor holds, named after its node; none where its shape does not fit."""
    return list(_pieces(stored, known))


def _pieces(stored: StoredTensor, known: Recurrent) -> Iterator[DecodedTensor]:
    order, leaves, shape = _ORDER[known.operator], _LEAVES[known.part], stored.info.shape
    if stored.fault is not None or len(shape) != (2 if known.part == "B" else 3) or not 1 <= shape[0] <= 2:
        return
    rows = shape[1] // len(leaves)
    if shape[1] != rows * len(leaves) or rows % len(order) or not rows:
        return
    flat = replace(stored, info=replace(stored.info, shape=(shape[0] * shape[1], *shape[2:])))
    module = known.node.strip("/").replace("/", ".")
    for direction in range(shape[0]):
        for place, leaf in enumerate(leaves):
            yield _piece(
                flat,
                f"{module}.{leaf}{_DIRECTIONS[direction]}",
                first=direction * shape[1] + place * rows,
                rows=rows,
                order=order,
            )


def _piece(flat: StoredTensor, name: str, *, first: int, rows: int, order: tuple[int, ...]) -> DecodedTensor:
    gate = rows // len(order)
    gates = np.array(order, dtype=np.int64)
    tail = flat.info.shape[1:]
    row_bytes = prod(tail) * flat.element.bits // 8

    def decode(wanted: Rows) -> tuple[Array, int]:
        return take_in_any_order(flat, first + gates[wanted // gate] * gate + wanted % gate)

    info = TensorInfo(
        name=name, shape=(rows, *tail), dtype=flat.info.dtype, shard=flat.info.shard, nbytes=rows * row_bytes
    )
    return DecodedTensor(info=info, decode=decode, row_bytes=row_bytes if flat.cost(1) is not None else None)
