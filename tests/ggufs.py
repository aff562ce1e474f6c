"""GGUF files for tests: byte by byte, so that any of them may be wrong, or as llama.cpp's own writer makes them."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType

from tests.kquants import QUANTISERS, quantised

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def pair(key: str | bytes, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def number(key: str, value: int) -> bytes:
    return pair(key, U32, struct.pack("<I", value))


def array(kind: int, count: int, values: bytes = b"") -> bytes:
    return struct.pack("<IQ", kind, count) + values


def entry(name: str | bytes = "w", shape: Sequence[int] = (2,), kind: int = 0, offset: int = 0) -> bytes:
    lengths = struct.pack(f"<I{len(shape)}Q", len(shape), *reversed(shape))
    return text(name) + lengths + struct.pack("<IQ", kind, offset)


def raw(
    keys: Sequence[bytes] = (),
    entries: Sequence[bytes] = (),
    data: bytes = b"",
    *,
    version: int = 3,
    counts: tuple[int, int] | None = None,
    alignment: int = 32,
) -> bytes:
    """A file with these keys, tensors and data; `counts` are those of tensors and keys that it claims."""
    tensors, pairs = counts or (len(entries), len(keys))
    header = b"GGUF" + struct.pack("<IQQ", version, tensors, pairs) + b"".join(keys) + b"".join(entries)
    return header + bytes(-len(header) % alignment) + data


def encoded(weight: np.ndarray, scheme: str) -> np.ndarray:
    """A matrix in a type that llama.cpp quantises to: rows of bytes."""
    if scheme in QUANTISERS:
        return quantised(weight, scheme)
    return gguf.quantize(weight.astype(np.float32), GGMLQuantizationType[scheme])


def write(
    path: Path, architecture: str, tensors: Mapping[str, tuple[np.ndarray, str]], keys: Mapping[str, Any] | None = None
) -> Path:
    """Write weights, each in the type that goes with it, with the writer of the `gguf` package.

    `keys` are whole numbers, lists of them, or text, under the architecture's name.
    """
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in (keys or {}).items():
        name = f"{architecture}.{key}"
        if isinstance(value, str):
            writer.add_string(name, value)
        elif isinstance(value, list):
            writer.add_array(name, value)
        else:
            writer.add_uint32(name, value)
    for name, (weight, scheme) in tensors.items():
        writer.add_tensor(name, encoded(weight, scheme), raw_dtype=GGMLQuantizationType[scheme])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
