"""Weights packed as quantisation libraries pack them, written plainly: one number after another, as Python integers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Arrays = dict[str, np.ndarray]

AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]
"""Which of eight outputs each field of a word holds, from the lowest (AutoAWQ, `packing_utils.AWQ_ORDER`)."""


def stream(codes: list[int], bits: int) -> list[int]:
    """Fields from the lowest bit on, as signed 32-bit words, the last filled up with zeros."""
    whole = 0
    for place, code in enumerate(codes):
        assert 0 <= code < 1 << bits
        whole |= code << bits * place
    words = -(-len(codes) * bits // 32)
    return np.frombuffer(whole.to_bytes(4 * words, "little"), dtype="<i4").tolist()


def along_rows(codes: np.ndarray, bits: int) -> np.ndarray:
    """Every row a stream."""
    return np.array([stream(row, bits) for row in codes.tolist()], dtype=np.int32)


def along_columns(codes: np.ndarray, bits: int) -> np.ndarray:
    """Every column a stream."""
    return along_rows(codes.T, bits).T


def affine(weight: np.ndarray, bits: int, group: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes (outputs, inputs), steps and zero points (outputs, groups) that round a weight to its groups' grids."""
    most = (1 << bits) - 1
    groups = int(group.max()) + 1
    low = np.stack([np.minimum(weight[:, group == at].min(axis=1), 0) for at in range(groups)], axis=1)
    high = np.stack([np.maximum(weight[:, group == at].max(axis=1), 0) for at in range(groups)], axis=1)
    steps = np.maximum((high - low) / most, 1e-4).astype(np.float16).astype(np.float32)
    zeros = np.clip(np.round(-low / steps), 0, most).astype(np.int64)
    codes = np.clip(np.round(weight / steps[:, group]) + zeros[:, group], 0, most).astype(np.int64)
    return codes, steps, zeros


def decoded(codes: np.ndarray, steps: np.ndarray, zeros: np.ndarray, group: np.ndarray) -> np.ndarray:
    """What the grids' values are: code by code."""
    weight = np.empty(codes.shape, dtype=np.float32)
    for out in range(codes.shape[0]):
        for at in range(codes.shape[1]):
            lifted = np.float32(codes[out, at] - zeros[out, group[at]])
            weight[out, at] = lifted * np.float32(steps[out, group[at]])
    return weight


def gptq(weight: np.ndarray, bits: int, group: np.ndarray, *, less: int = 1) -> tuple[Arrays, np.ndarray]:
    """The parts of a GPTQ weight, whose stored zero points are `less` than they are; and its values."""
    codes, steps, zeros = affine(weight, bits, group)
    parts = {
        "qweight": along_columns(codes.T, bits),
        "qzeros": along_rows((zeros.T - less) % (1 << bits), bits),
        "scales": steps.T.astype(np.float16),
        "g_idx": group.astype(np.int32),
    }
    return parts, decoded(codes, steps, zeros, group)


def awq(weight: np.ndarray, group: np.ndarray) -> tuple[Arrays, np.ndarray]:
    """The parts of an AWQ weight in the layout called gemm; and its values."""
    codes, steps, zeros = affine(weight, 4, group)

    def interleaved(values: np.ndarray) -> np.ndarray:
        return along_rows(values.reshape(len(values), -1, 8)[:, :, AWQ_ORDER].reshape(values.shape), 4)

    parts = {
        "qweight": interleaved(codes.T),
        "qzeros": interleaved(zeros.T),
        "scales": steps.T.astype(np.float16),
    }
    return parts, decoded(codes, steps, zeros, group)


def pack_quantized(weight: np.ndarray, bits: int, group: np.ndarray) -> tuple[Arrays, np.ndarray]:
    """The parts of a weight that compressed-tensors packs, with zero points; and its values."""
    codes, steps, zeros = affine(weight, bits, group)
    parts = {
        "weight_packed": along_rows(codes, bits),
        "weight_zero_point": along_columns(zeros, bits),
        "weight_scale": steps.astype(np.float16),
        "weight_shape": np.array(weight.shape, dtype=np.int64),
    }
    return parts, decoded(codes, steps, zeros, group)


def mlx(weight: np.ndarray, bits: int, group: np.ndarray) -> tuple[Arrays, np.ndarray]:
    """The parts of a weight of MLX; and its values."""
    codes, steps, zeros = affine(weight, bits, group)
    biases = (-zeros * steps).astype(np.float16)
    values = np.empty(weight.shape, dtype=np.float32)
    for out in range(len(codes)):
        for at in range(codes.shape[1]):
            step, bias = np.float32(steps[out, group[at]]), np.float32(biases[out, group[at]])
            values[out, at] = np.float32(codes[out, at]) * step + bias
    packed = along_rows(codes, bits).view(np.uint32)
    return {"weight": packed, "scales": steps.astype(np.float16), "biases": biases}, values


def hqq(weight: np.ndarray, bits: int, size: int, axis: int) -> tuple[Arrays, np.ndarray]:
    """The parts of a weight of HQQ in groups of `size` along an axis of the regrouped weight; and its values."""
    fields = 10 if bits == 3 else 8 // bits
    grouped = weight.reshape(-1, size) if axis == 1 else weight.reshape(size, -1)
    low, high = grouped.min(axis=axis, keepdims=True), grouped.max(axis=axis, keepdims=True)
    scale = ((high - low) / ((1 << bits) - 1)).astype(np.float16)
    zero = (-low / scale).astype(np.float16)
    codes = np.clip(np.round(grouped / scale + zero), 0, (1 << bits) - 1).astype(np.int64)
    values = ((codes.astype(np.float32) - zero.astype(np.float32)) * scale.astype(np.float32)).reshape(weight.shape)
    height = -(-len(codes) // fields)
    packed = np.zeros((height, codes.shape[1]), dtype=np.int64)
    for row in range(len(codes)):
        packed[row % height] |= codes[row] << bits * (fields - 1 - row // height)
    name = "3bit_32" if bits == 3 else f"{bits}bit_u8"
    parts = {
        "W_q": packed.astype(np.int32 if bits == 3 else np.uint8),
        "scale": scale,
        "zero": zero,
        "shape": np.array(weight.shape, dtype=np.int64),
        "packing": np.frombuffer(name.encode(), dtype=np.uint8),
        "nbits": np.array(bits, dtype=np.int32),
        "axis": np.array(axis, dtype=np.int32),
        "group_size": np.array(size, dtype=np.int32),
    }
    return parts, values


def in_order(inputs: int, width: int) -> np.ndarray:
    """The group of each input, neighbours together."""
    return np.arange(inputs) // width


def named(parts: Mapping[str, np.ndarray], prefix: str = "x.") -> Arrays:
    """Parts under the name of their module."""
    return {prefix + name: np.ascontiguousarray(values) for name, values in parts.items()}
