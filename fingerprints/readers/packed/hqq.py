"""HQQ: codes laid over one another along the first axis, as `HQQLinear` and transformers save them.

    weight.reshape(rows, columns)[r, c] = (code[r, c] - zero) * scale

| tensor          | shape               | holds                                                                      |
|-----------------|---------------------|----------------------------------------------------------------------------|
| `W_q`           | (height, columns)   | codes: row r is in row r % height, in its field r // height from the top   |
| `scale`, `zero` | (rows, 1)           | steps and zero points of groups along the rows (axis 1)                    |
|                 | (1, columns)        | the same of groups down the columns (axis 0)                               |
| `shape`         | (2,)                | outputs and inputs                                                         |
| `packing`       | text                | `8bit_u8`, `4bit_u8`, `3bit_32`, `2bit_u8` or `1bit_u8`; else `nbits` says |

Shapes tell which axis it is, and how long groups are. A row costs the rows of `W_q` that it touches; for axis 0 each
of these holds codes of many rows.

Format: https://github.com/mobiusml/hqq (`hqq/core/bitpack.py`, `hqq/core/quantize.py`)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any, Final

import numpy as np

from fingerprints.checkpoint import Array, Encoding
from fingerprints.errors import CheckpointError
from fingerprints.readers.decoded_tensor import Rows
from fingerprints.readers.element_types import FLOATS
from fingerprints.readers.packed.module import Module, modules_with
from fingerprints.readers.packed.rows import decode_rows
from fingerprints.readers.packed.scheme import Tensors, Unpacked
from fingerprints.readers.packed.weight import float32, is_single, row_size
from fingerprints.readers.row_tensor import RowTensor

_ABOUT: Final = (
    *("scale", "zero", "shape", "packing", "nbits", "group_size", "axis", "view_as_float", "unpack_view_dtype"),
    *("compute_dtype", "quant_scale", "quant_zero", "offload_meta", "encoded_state_dict", "stores_quant_config"),
    *("channel_wise", "optimize", "round_zero", "zero_q", "scale_q", "meta_zero", "meta_scale", "zero_scale"),
)
"""What the library saves beside the codes."""
_LONGEST: Final = 16
"""Characters of the longest text that is read."""
_MAX_LENGTH: Final = 1 << 40


@dataclass(frozen=True, slots=True, kw_only=True)
class _Packing:
    """How many codes of how many bits lie in an element of a type."""

    bits: int
    fields: int
    dtype: str


_PACKINGS: Final = {
    "8bit_u8": _Packing(bits=8, fields=1, dtype="U8"),
    "4bit_u8": _Packing(bits=4, fields=2, dtype="U8"),
    "3bit_32": _Packing(bits=3, fields=10, dtype="I32"),
    "2bit_u8": _Packing(bits=2, fields=4, dtype="U8"),
    "1bit_u8": _Packing(bits=1, fields=8, dtype="U8"),
}
_BY_BITS: Final = {8: "8bit_u8", 6: "8bit_u8", 5: "8bit_u8", 4: "4bit_u8", 3: "3bit_32", 2: "2bit_u8", 1: "1bit_u8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Codes:
    """The parts of a weight that fit each other: `rows` by `columns` codes make up `shape`."""

    words: RowTensor
    scale: RowTensor
    zero: RowTensor
    packing: _Packing
    shape: tuple[int, int]
    rows: int
    columns: int

    def compute(self, indices: Rows) -> tuple[Array, int]:
        """Return the rows at `indices`, and how many bytes were read for them."""
        inputs = self.shape[1]
        row, column = np.divmod((indices[:, np.newaxis] * inputs + np.arange(inputs)).reshape(-1), self.columns)
        field, held = np.divmod(row, self.words.row_count)
        needed, back = np.unique(held, return_inverse=True)
        words, read = self.words.take(needed)
        if self.packing.dtype == "I32":
            words = words.view(np.uint32)
        shift = (self.packing.fields - 1 - field) * self.packing.bits
        codes = words[back, column] >> shift.astype(words.dtype) & words.dtype.type((1 << self.packing.bits) - 1)
        zeros, more = self._side(self.zero, row, column)
        scales, most = self._side(self.scale, row, column)
        return ((codes.astype(np.float32) - zeros) * scales).reshape(len(indices), inputs), read + more + most

    def most_a_row(self) -> int:
        """Bytes that reading one row takes at most."""
        runs = min(self.shape[1] // self.columns + 2, self.rows)
        sides = sum(row_size(side) * min(side.row_count, runs) for side in (self.scale, self.zero))
        return min(runs, self.words.row_count) * row_size(self.words) + sides

    def _side(self, side: RowTensor, row: Rows, column: Rows) -> tuple[Array, int]:
        """Return the step or zero point of each code."""
        if is_single(side):
            values, count = side.take(np.zeros(1, dtype=np.int64))
            return float32(values).reshape(1), count
        if side.info.shape == (1, self.columns):
            values, count = side.take(np.zeros(1, dtype=np.int64))
            return float32(values)[0, column], count
        needed, back = np.unique(row, return_inverse=True)
        values, count = side.take(needed)
        return float32(values)[back, 0], count


class Hqq:
    """Finds modules with a `W_q` that says how it is packed; without that it is a matrix of queries."""

    name = "hqq"

    def unpack(self, tensors: Tensors, config: Mapping[str, Any]) -> Iterator[Unpacked]:
        """Yield the weights that are packed in this way."""
        for module in modules_with(tensors, "W_q", optional=_ABOUT):
            if not any(part in module.parts for part in ("shape", "packing", "nbits")):
                continue
            found = self._codes(module)
            if isinstance(found, str):
                yield module.refused(self.name, found)
                continue
            group = found.columns if found.scale.info.shape == (found.rows, 1) else found.rows
            encoding = Encoding(
                scheme=self.name,
                bits=found.packing.bits,
                group_size=None if is_single(found.scale) or group == found.shape[1] else group,
            )
            decode = partial(decode_rows, found.shape, compute=found.compute)
            yield module.assembled(found.shape, encoding, decode=decode, row_bytes=found.most_a_row())

    def _codes(self, module: Module) -> _Codes | str:
        """Return the codes of a weight, or why they cannot be read."""
        parts = module.parts
        missing = [part for part in ("scale", "zero", "shape") if part not in parts]
        if missing:
            return f"its {missing[0]} is missing; scales and zero points that are packed themselves are not read"
        try:
            lengths, packing = _lengths(parts["shape"]), _packing(parts)
        except CheckpointError as error:
            return error.message
        words, scale, zero = parts["W_q"], parts["scale"], parts["zero"]
        stored = words.info.shape
        if packing is None or lengths is None:
            return "its packing and nbits name none that is read" if packing is None else "its shape is not two lengths"
        if words.info.dtype != packing.dtype or len(stored) != 2 or 0 in stored:
            return f"its W_q is {words.info.dtype} of shape {stored}, not a matrix of {packing.dtype}"
        rows, rest = divmod(prod(lengths), stored[1])
        if rest or -(-rows // packing.fields) != stored[0] or (packing.bits != 3 and rows % packing.fields):
            return f"its W_q of shape {stored} does not hold {prod(lengths)} codes of {packing.bits} bits"
        for part, tensor in (("scale", scale), ("zero", zero)):
            fits = is_single(tensor) or tensor.info.shape in ((rows, 1), (1, stored[1]))
            if not fits or tensor.info.dtype not in FLOATS:
                shapes = f"({rows}, 1) or (1, {stored[1]})"
                return f"its {part} is {tensor.info.dtype} of shape {tensor.info.shape}, not floats of {shapes}"
        return _Codes(words=words, scale=scale, zero=zero, packing=packing, shape=lengths, rows=rows, columns=stored[1])


def _lengths(tensor: RowTensor) -> tuple[int, int] | None:
    """Return the two lengths that a `shape` holds, None if it is not that."""
    if tensor.info.shape != (2,) or tensor.info.dtype not in ("I64", "I32"):
        return None
    outputs, inputs = (int(length) for length in tensor.take(np.arange(2, dtype=np.int64))[0])
    return (outputs, inputs) if 0 < outputs <= _MAX_LENGTH and 0 < inputs <= _MAX_LENGTH else None


def _packing(parts: Mapping[str, RowTensor]) -> _Packing | None:
    """Return the packing that is named, or else the one of the bits that are; None if neither is known."""
    text, bits = parts.get("packing"), parts.get("nbits")
    if text is not None and text.info.dtype == "U8" and len(text.info.shape) == 1 and text.info.size <= _LONGEST:
        name = text.take(np.arange(text.info.size, dtype=np.int64))[0].tobytes().decode("latin-1")
    elif bits is not None and text is None and is_single(bits) and bits.info.dtype in ("I32", "I64", "U8"):
        name = _BY_BITS.get(int(bits.take(np.zeros(1, dtype=np.int64))[0].item()), "")
    else:
        return None
    return _PACKINGS.get(name)
