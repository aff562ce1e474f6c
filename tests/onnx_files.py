"""Writing small ONNX models: protocol buffers spelled out by hand, after onnx.proto."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

TYPES = {
    "float32": 1,
    "uint8": 2,
    "int8": 3,
    "int32": 6,
    "int64": 7,
    "float16": 10,
    "float64": 11,
    "bfloat16": 16,
}


def varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def message(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def text(field: int, value: str) -> bytes:
    return message(field, value.encode())


def raw_tensor(name: str, dims: Sequence[int], data_type: int, *fields: bytes) -> bytes:
    head = b"".join(number(1, length) for length in dims) + number(2, data_type) + text(8, name)
    return head + b"".join(fields)


def tensor(name: str, values: npt.ArrayLike, data_type: int | None = None) -> bytes:
    array = np.asarray(values)
    kind = TYPES[array.dtype.name] if data_type is None else data_type
    return raw_tensor(name, array.shape, kind, message(9, array.tobytes()))


def external(name: str, dims: Sequence[int], data_type: int, **entries: str) -> bytes:
    pairs = [message(13, text(1, key) + text(2, value)) for key, value in entries.items()]
    return raw_tensor(name, dims, data_type, *pairs, number(14, 1))


def attribute(name: str, value: int | Sequence[int] | bytes, field: int = 3) -> bytes:
    """An attribute: an integer, integers, a tensor (`field` 5) or a graph (`field` 6)."""
    if isinstance(value, int):
        return text(1, name) + number(3, value) + number(20, 2)
    if isinstance(value, bytes):
        return text(1, name) + message(field, value)
    return text(1, name) + b"".join(number(8, each) for each in value) + number(20, 7)


def node(
    operator: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    *attributes: bytes,
    name: str = "",
    domain: str = "",
) -> bytes:
    return (
        b"".join(text(1, each) for each in inputs)
        + b"".join(text(2, each) for each in outputs)
        + text(3, name)
        + text(4, operator)
        + b"".join(message(5, each) for each in attributes)
        + text(7, domain)
    )


def constant(output: str, value: bytes) -> bytes:
    return node("Constant", [], [output], attribute("value", value, 5))


def graph(nodes: Sequence[bytes], tensors: Sequence[bytes]) -> bytes:
    return (
        b"".join(message(1, each) for each in nodes) + text(2, "main") + b"".join(message(5, each) for each in tensors)
    )


def model(main: bytes, metadata: Mapping[str, str] | None = None) -> bytes:
    props = b"".join(message(14, text(1, key) + text(2, value)) for key, value in (metadata or {}).items())
    return number(1, 8) + text(2, "pytorch") + message(7, main) + message(8, number(2, 17)) + props
