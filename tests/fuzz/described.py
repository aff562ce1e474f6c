"""Safetensors files written from a few lines of text, so that mutations reach what stands behind the container.

A line is a tensor: name, type, lengths, and what its bytes repeat, parted by blanks: `x.scales F16 3,64 <bytes>`.
Without bytes it is small positive numbers. Lines that make no tensor are skipped. Whatever is done to such text, the
file is one that the safetensors reader takes: only what its tensors mean is in question.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from typing import Final

import numpy as np

from fingerprints.readers.element_types import ELEMENT_TYPES

MOST_BYTES: Final = 1 << 17
"""Bytes of one tensor; a line that asks for more is skipped."""
MOST_TENSORS: Final = 64
_PLAIN: Final = b"\x01\x3c"
_TYPES: Final = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "int16": "I16",
    "int32": "I32",
    "uint32": "U32",
    "int64": "I64",
    "float16": "F16",
    "bfloat16": "BF16",
    "float32": "F32",
    "float64": "F64",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "float8_e8m0fnu": "F8_E8M0",
}


def safetensors_of(text: bytes) -> bytes:
    """The file that lines of text describe."""
    header: dict[str, object] = {}
    data = bytearray()
    for line in text.split(b"\n"):
        if line.count(b" ") < 2:
            continue
        name, dtype, lengths, *fill = line.split(b" ", 3)
        known, shape = ELEMENT_TYPES.get(dtype.decode("ascii", "replace")), _shape(lengths)
        if known is None or shape is None or len(header) == MOST_TENSORS:
            continue
        nbytes = known.stored_bytes(prod(shape))
        called = name.decode(errors="replace")
        if nbytes is None or nbytes > MOST_BYTES or called in header:
            continue
        repeated = (fill and fill[0]) or _PLAIN
        header[called] = {
            "dtype": known.name,
            "shape": shape,
            "data_offsets": [len(data), len(data) + nbytes],
        }
        data += (repeated * (nbytes // len(repeated) + 1))[:nbytes]
    head = json.dumps(header).encode()
    return len(head).to_bytes(8, "little") + head + bytes(data)


def described(tensors: Mapping[str, np.ndarray], whole: tuple[str, ...] = ()) -> bytes:
    """Lines that describe arrays: their own bytes for names that end in one of `whole`, else plain numbers."""
    lines = []
    for name, values in tensors.items():
        line = f"{name} {_TYPES[values.dtype.name]} {','.join(map(str, values.shape))}".encode()
        content = np.ascontiguousarray(values).tobytes()
        if name.endswith(whole) and whole:
            assert b"\n" not in content, f"{name} holds a line's end"
            line += b" " + content
        lines.append(line)
    return b"\n".join(lines)


def _shape(lengths: bytes) -> list[int] | None:
    """Lengths between commas, none for a scalar; None where they are not up to eight small numbers."""
    found = [int(each) for each in lengths.split(b",") if each.isdigit() and len(each) < 7]
    complete = not lengths or len(found) == lengths.count(b",") + 1
    return found if complete and len(found) <= 8 else None
