"""bitsandbytes: 4 bit codes (NF4, FP4) in blocks with one scale each, and 8 bit integers with one scale a row.

4 bit: `x.weight` holds the codes of the flattened weight, two a byte, the first in the high half, in bytes of any type;
`x.weight.quant_map` says what the 16 codes stand for, `x.weight.absmax` scales each `blocksize` of them. With nested
quantisation `absmax` is itself uint8: `nested_quant_map[absmax] * nested_absmax + nested_offset`, one `nested_absmax`
for each `nested_blocksize`. `x.weight.quant_state.bitsandbytes__nf4` (or `__fp4`) is JSON in uint8 with those sizes and
the shape. 8 bit: `x.weight` times `x.SCB` (one a row) / 127.

Format: https://github.com/bitsandbytes-foundation/bitsandbytes/blob/main/bitsandbytes/functional.py (`QuantState`,
`int8_vectorwise_dequant`)
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from math import gcd, prod
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fingerprints.checkpoint import Array, Encoding
from fingerprints.errors import CheckpointError, UnreadableTensor
from fingerprints.readers.decoded_tensor import Rows
from fingerprints.readers.element_types import FLOATS
from fingerprints.readers.packed import e2m1
from fingerprints.readers.packed.quant_state import QuantState, read_quant_state
from fingerprints.readers.packed.scheme import Tensors, Unpacked
from fingerprints.readers.packed.weight import assembled, float32, is_single, present, refused, row_size
from fingerprints.readers.row_tensor import RowTensor

_STATE: Final = re.compile(r"^(?P<weight>.+)\.quant_state\.bitsandbytes__(?P<scheme>nf4|fp4)$")
_PARTS: Final = ("absmax", "quant_map", "nested_absmax", "nested_quant_map")
_WEIGHT: Final = ".weight"


class BitsAndBytes:
    """Finds the state of 4 bit weights, and the scales of 8 bit ones."""

    name = "bitsandbytes"

    def unpack(self, tensors: Tensors, config: Mapping[str, Any]) -> Iterator[Unpacked]:
        """Yield the weights of 4 bits, then those of 8; of each 4 bit weight the state is read, some 200 bytes."""
        for name in tensors:
            if (match := _STATE.match(name)) and match["weight"] in tensors:
                yield _four_bit(match["weight"], tensors, name, match["scheme"])
        for name, tensor in tensors.items():
            module = name.removesuffix(_WEIGHT)
            if tensor.info.dtype == "I8" and module != name and f"{module}.SCB" in tensors:
                yield _eight_bit(name, tensors, module)


def _four_bit(name: str, tensors: Tensors, state_name: str, scheme: str) -> Unpacked:
    at = {part: f"{name}.{part}" for part in _PARTS}
    parts = (name, *present(tensors, *at.values()), state_name)
    encoding = Encoding(scheme=scheme, bits=4)
    packed = tensors[name]
    try:
        state = read_quant_state(tensors[state_name])
    except CheckpointError as error:
        return refused(name, tensors, parts, encoding=encoding, reason=error.message)
    encoding = Encoding(scheme=scheme, bits=4, group_size=state.blocksize)
    size = prod(state.shape)
    if (size + 1) // 2 != packed.info.nbytes:
        claim = f"its quant_state claims the shape {list(state.shape)}, but {packed.info.nbytes} bytes hold its codes"
        return refused(name, tensors, parts, encoding=encoding, reason=claim)
    reason = _layout_fault(packed) or _parts_fault({part: tensors.get(at[part]) for part in _PARTS}, state, size)
    if reason is not None:
        return refused(name, tensors, parts, encoding=encoding, reason=reason, shape=state.shape)
    scales = _BlockScales(tensors, at, state)
    quant_map = tensors[at["quant_map"]]
    width = prod(state.shape[1:])
    # Every row is so many pieces that lie in one block each, wherever the row begins.
    piece = gcd(width, state.blocksize)

    def decode(rows: Rows) -> tuple[Array, int]:
        codes, count = quant_map.take(np.arange(16, dtype=np.int64))
        codes = float32(codes)
        begin = rows * width
        raw, more = _bytes(packed, ((begin // 2)[:, np.newaxis] + np.arange((width + 1) // 2)).reshape(-1))
        count += more
        values = e2m1.pairs(e2m1.byte_table(codes, high_first=True), raw.reshape(len(rows), (width + 1) // 2))
        if width % 2:
            values = np.where((begin % 2 == 1)[:, np.newaxis], values[:, 1:], values[:, :-1])
        pieces = (begin // piece)[:, np.newaxis] + np.arange(width // piece)
        factors, more = scales.take((pieces // (state.blocksize // piece)).reshape(-1))
        with np.errstate(over="ignore", invalid="ignore"):
            grouped = values.reshape(-1, piece)
            grouped *= factors[:, np.newaxis]
        return grouped.reshape(len(rows), *state.shape[1:]), count + more

    row_bytes = (
        (width + 1) // 2 + packed.info.nbytes // packed.row_count + scales.row_bytes(width) + quant_map.info.nbytes
    )
    return assembled(name, tensors, parts, shape=state.shape, encoding=encoding, decode=decode, row_bytes=row_bytes)


class _BlockScales:
    """The scale of each block of a 4 bit weight."""

    def __init__(self, tensors: Tensors, at: Mapping[str, str], state: QuantState) -> None:
        self._state = state
        self._absmax = tensors[at["absmax"]]
        self._nested = None if state.nested is None else (tensors[at["nested_absmax"]], tensors[at["nested_quant_map"]])

    def row_bytes(self, width: int) -> int:
        """Bytes read at most for the scales of `width` numbers in a row."""
        blocks = width // self._state.blocksize + 2
        count = blocks * row_size(self._absmax)
        if self._nested is not None and self._state.nested is not None:
            absmax, quant_map = self._nested
            count += (blocks // self._state.nested.blocksize + 2) * row_size(absmax) + quant_map.info.nbytes
        return count

    def take(self, blocks: npt.NDArray[np.int64]) -> tuple[Array, int]:
        """Return the scales (float32) of sorted `blocks`, and the bytes read."""
        needed, back = _distinct(blocks)
        scales, count = self._absmax.take(needed)
        nested = self._state.nested
        if nested is not None and self._nested is not None:
            absmax, quant_map = self._nested
            codes, more = quant_map.take(np.arange(256, dtype=np.int64))
            count += more
            outer, inverse = _distinct(needed // nested.blocksize)
            factors, more = absmax.take(outer)
            count += more
            with np.errstate(over="ignore", invalid="ignore"):
                scales = float32(codes)[scales] * float32(factors)[inverse]
                scales += np.float32(nested.offset)
        return float32(scales)[back], count


def _eight_bit(name: str, tensors: Tensors, module: str) -> Unpacked:
    weight, scales = tensors[name], tensors[f"{module}.SCB"]
    form = tensors.get(f"{module}.weight_format")
    parts = (name, f"{module}.SCB", *present(tensors, f"{module}.weight_format"))
    encoding = Encoding(scheme="int8", bits=8)
    shape, count = weight.info.shape, weight.row_count
    reason: str | None = None
    if scales.info.dtype not in FLOATS or prod(scales.info.shape) != count or scales.row_count not in (1, count):
        reason = f"its scales are {scales.info.dtype} of shape {list(scales.info.shape)}, not F32 of [{count}]"
    elif form is not None:
        reason = _form_fault(form)
    if reason is not None:
        return refused(name, tensors, parts, encoding=encoding, reason=reason)

    def decode(rows: Rows) -> tuple[Array, int]:
        values, nbytes = weight.take(rows)
        if scales.row_count == count:
            factors, more = scales.take(rows)
        else:
            whole, more = scales.take(np.zeros(1, dtype=np.int64))
            factors = whole.reshape(-1)[rows]
        factors = float32(factors).reshape(-1, *(1,) * (len(shape) - 1)) / np.float32(127)
        with np.errstate(over="ignore", invalid="ignore"):
            return float32(values) * factors, nbytes + more

    row_bytes = row_size(weight) + row_size(scales)
    return assembled(name, tensors, parts, shape=shape, encoding=encoding, decode=decode, row_bytes=row_bytes)


def _form_fault(form: RowTensor) -> str | None:
    """Say why the order of the elements of an 8 bit weight is none that is read; one byte is read for it."""
    if not is_single(form) or form.info.dtype != "U8":
        return f"its weight_format is {form.info.dtype} of shape {list(form.info.shape)}, not one U8"
    try:
        order = form.take(np.zeros(1, dtype=np.int64))[0].item()
    except UnreadableTensor as error:
        return error.message
    return f"its weight_format is {order}, an order for one kind of GPU; only 0, by row, is read" if order else None


def _layout_fault(packed: RowTensor) -> str | None:
    """Say why the codes cannot be read by position: a row must be one element."""
    shape = packed.info.shape
    if shape and prod(shape[1:]) == 1 and packed.info.nbytes % shape[0] == 0:
        return None
    return f"its codes have the shape {list(shape)}, not [{packed.info.nbytes}, 1]"


def _parts_fault(parts: Mapping[str, RowTensor | None], state: QuantState, size: int) -> str | None:
    """Say which part is missing or not of the length that the state needs."""
    blocks = -(-size // state.blocksize)
    wanted: dict[str, tuple[int, Collection[str]]] = {
        "quant_map": (16, FLOATS),
        "absmax": (blocks, FLOATS if state.nested is None else frozenset({"U8"})),
    }
    if state.nested is not None:
        wanted["nested_absmax"] = (-(-blocks // state.nested.blocksize), FLOATS)
        wanted["nested_quant_map"] = (256, FLOATS)
    for part, (length, types) in wanted.items():
        tensor = parts[part]
        if tensor is None:
            return f"its {part} is missing"
        if tensor.info.shape != (length,) or tensor.info.dtype not in types:
            return (
                f"its {part} is {tensor.info.dtype} of shape {list(tensor.info.shape)}, and should be"
                f" {'U8' if 'U8' in types else 'F32'} of [{length}]"
            )
    return None


def _bytes(packed: RowTensor, positions: npt.NDArray[np.int64]) -> tuple[Array, int]:
    """Return the bytes at sorted `positions` of a column of elements of any size, and how many were read."""
    itemsize = packed.info.nbytes // packed.row_count
    needed, back = _distinct(positions // itemsize if itemsize > 1 else positions)
    elements, count = packed.take(needed)
    raw = elements.reshape(-1).view(np.uint8)
    if itemsize > 1:
        return raw.reshape(-1, itemsize)[back, positions % itemsize], count
    return (raw if len(needed) == len(positions) else raw[back]), count


def _distinct(ordered: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the distinct numbers of a sorted list, and where in them each number of the list is."""
    fresh = np.diff(ordered, prepend=-1) != 0
    return ordered[fresh], np.cumsum(fresh) - 1
