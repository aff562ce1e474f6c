"""The K formats of llama.cpp, written: weights to blocks of 256 by the range of each sub-block, without a search.

The layouts follow https://github.com/ggml-org/llama.cpp/blob/master/ggml/src/ggml-common.h
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Blocks = np.ndarray
BLOCK = 256


def affine(blocks: Blocks, width: int, levels: int, scale_levels: int) -> tuple[np.ndarray, ...]:
    """Weights as `d * scale * q - dmin * minimum` with q from 0 to `levels`: q, scales, minima, d, dmin."""
    parts = blocks.reshape(len(blocks), -1, width)
    low = np.minimum(parts.min(axis=2), 0)
    spread = (parts.max(axis=2) - low) / levels
    d, dmin = (np.float16(values.max(axis=1, keepdims=True) / scale_levels) for values in (spread, -low))
    scales = np.rint(ratio(spread, d)).clip(0, scale_levels)
    minima = np.rint(ratio(-low, dmin)).clip(0, scale_levels)
    steps = np.float32(d) * scales
    q = np.rint(ratio(parts + (np.float32(dmin) * minima)[..., None], steps[..., None])).clip(0, levels)
    return q.reshape(len(blocks), BLOCK).astype(np.uint8), scales.astype(np.uint8), minima.astype(np.uint8), d, dmin


def symmetric(blocks: Blocks, width: int, levels: int, scale_levels: int) -> tuple[np.ndarray, ...]:
    """Weights as `d * scale * q` with q from `-levels` to `levels - 1`: q + levels, scales, d."""
    parts = blocks.reshape(len(blocks), -1, width)
    spread = np.abs(parts).max(axis=2) / (levels - 0.5)
    d = np.float16(spread.max(axis=1, keepdims=True) / scale_levels)
    scales = np.rint(ratio(spread, d)).clip(-scale_levels - 1, scale_levels)
    q = np.rint(ratio(parts, (np.float32(d) * scales)[..., None])).clip(-levels, levels - 1) + levels
    return q.reshape(len(blocks), BLOCK).astype(np.uint8), scales.astype(np.int8), d


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """A quotient, 0 where the divisor is 0."""
    divisor = np.float32(below)
    return np.divide(above, divisor, out=np.zeros(np.broadcast(above, divisor).shape, np.float32), where=divisor != 0)


def quarters(q: np.ndarray) -> np.ndarray:
    """Two bits each, four to a byte: bytes of 32 weights that lie 32 apart."""
    parts = q.reshape(len(q), 2, 4, 32)
    return (parts[:, :, 0] | parts[:, :, 1] << 2 | parts[:, :, 2] << 4 | parts[:, :, 3] << 6).reshape(len(q), 64)


def nibbles(q: np.ndarray) -> np.ndarray:
    """Four bits each, two to a byte: bytes of 32 weights that lie 32 apart."""
    parts = q.reshape(len(q), 4, 2, 32)
    return (parts[:, :, 0] | parts[:, :, 1] << 4).reshape(len(q), 128)


def sixes(scales: np.ndarray, minima: np.ndarray) -> np.ndarray:
    """Eight scales and eight minima of six bits in twelve bytes."""
    packed = np.zeros((len(scales), 12), np.uint8)
    packed[:, :4] = scales[:, :4] | scales[:, 4:] >> 4 << 6
    packed[:, 4:8] = minima[:, :4] | minima[:, 4:] >> 4 << 6
    packed[:, 8:] = scales[:, 4:] & 15 | (minima[:, 4:] & 15) << 4
    return packed


def raw(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values).view(np.uint8)


def q2_k(blocks: Blocks) -> np.ndarray:
    q, scales, minima, d, dmin = affine(blocks, 16, 3, 15)
    return np.concatenate([scales | minima << 4, quarters(q), raw(d), raw(dmin)], axis=1)


def q3_k(blocks: Blocks) -> np.ndarray:
    q, scales, d = symmetric(blocks, 16, 4, 31)
    high = np.packbits((q > 3).reshape(len(q), 8, 32), axis=1, bitorder="little").reshape(len(q), 32)
    shifted = (scales.astype(np.int16) + 32).astype(np.uint8)
    upper = (shifted >> 4).reshape(len(q), 4, 4)
    packed = np.concatenate(
        [
            shifted[:, :8] & 15 | (shifted[:, 8:] & 15) << 4,
            upper[:, 0] | upper[:, 1] << 2 | upper[:, 2] << 4 | upper[:, 3] << 6,
        ],
        axis=1,
    )
    return np.concatenate([high, quarters(q & 3), packed, raw(d)], axis=1)


def q4_k(blocks: Blocks) -> np.ndarray:
    q, scales, minima, d, dmin = affine(blocks, 32, 15, 63)
    return np.concatenate([raw(d), raw(dmin), sixes(scales, minima), nibbles(q)], axis=1)


def q5_k(blocks: Blocks) -> np.ndarray:
    q, scales, minima, d, dmin = affine(blocks, 32, 31, 63)
    high = np.packbits((q >> 4).reshape(len(q), 8, 32), axis=1, bitorder="little").reshape(len(q), 32)
    return np.concatenate([raw(d), raw(dmin), sixes(scales, minima), high, nibbles(q & 15)], axis=1)


def q6_k(blocks: Blocks) -> np.ndarray:
    q, scales, d = symmetric(blocks, 16, 32, 127)
    parts = q.reshape(len(q), 2, 4, 32)
    low = parts & 15
    lows = np.stack([low[:, :, 0] | low[:, :, 2] << 4, low[:, :, 1] | low[:, :, 3] << 4], axis=2)
    return np.concatenate([lows.reshape(len(q), 128), quarters(q >> 4), raw(scales), raw(d)], axis=1)


QUANTISERS: dict[str, Callable[[Blocks], np.ndarray]] = {
    "Q2_K": q2_k,
    "Q3_K": q3_k,
    "Q4_K": q4_k,
    "Q5_K": q5_k,
    "Q6_K": q6_k,
}


def quantised(weight: np.ndarray, scheme: str) -> np.ndarray:
    """A matrix as rows of blocks: (rows, columns), columns a multiple of 256, to (rows, bytes)."""
    return QUANTISERS[scheme](weight.astype(np.float32).reshape(-1, BLOCK)).reshape(len(weight), -1)
