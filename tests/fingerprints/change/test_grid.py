"""Grids of quantisers, and values that only look like them."""

from __future__ import annotations

import gguf
import ml_dtypes
import numpy as np
import pytest
from gguf import GGMLQuantizationType

from fingerprints.change.grid import NF4, Grid, find_grid, nearest_share

RNG = np.random.default_rng(0)
WEIGHTS = (0.02 * RNG.standard_normal((256, 512))).astype(np.float32)


def affine(values: np.ndarray, bits: int, group: int) -> np.ndarray:
    """Rounded to the levels between the smallest and the largest of each group."""
    grouped = values.reshape(-1, group)
    low, high = grouped.min(axis=1, keepdims=True), grouped.max(axis=1, keepdims=True)
    scale = (high - low) / (2**bits - 1)
    return (np.round((grouped - low) / scale) * scale + low).reshape(values.shape).astype(np.float32)


def symmetric(values: np.ndarray, axis: int | None) -> np.ndarray:
    scale = np.abs(values).max(axis=axis, keepdims=True) / 127
    return (np.round(values / scale) * scale).astype(np.float32)


def nf4(values: np.ndarray, group: int) -> np.ndarray:
    grouped = values.reshape(-1, group)
    peak = np.abs(grouped).max(axis=1, keepdims=True)
    codes = np.abs((grouped / peak)[:, :, None] - NF4).argmin(axis=2)
    return (NF4[codes] * peak).reshape(values.shape).astype(np.float32)


def stored(values: np.ndarray) -> np.ndarray:
    return values.astype(ml_dtypes.bfloat16).astype(np.float32)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (affine(WEIGHTS, 4, 32), Grid(bits=4, group_size=32, scheme="integer")),
        (affine(WEIGHTS, 4, 128), Grid(bits=4, group_size=128, scheme="integer")),
        (affine(WEIGHTS, 3, 64), Grid(bits=3, group_size=64, scheme="integer")),
        (affine(WEIGHTS, 2, 32), Grid(bits=2, group_size=32, scheme="integer")),
        (nf4(WEIGHTS, 64), Grid(bits=4, group_size=64, scheme="nf4")),
        (symmetric(WEIGHTS, 1), Grid(bits=8, group_size=None, scheme="integer")),
    ],
)
def test_bits_and_groups_are_found_though_stored_in_bfloat16(values: np.ndarray, expected: Grid) -> None:
    assert find_grid(stored(values)) == expected
    assert nearest_share(WEIGHTS, stored(values), expected) > 0.97


def test_llama_cpp_blocks_of_eight_bits_are_found() -> None:
    kind = GGMLQuantizationType.Q8_0
    values = gguf.dequantize(gguf.quantize(WEIGHTS, kind), kind).astype(np.float32)
    assert find_grid(values) == Grid(bits=8, group_size=32, scheme="integer")


@pytest.mark.parametrize(
    "values",
    [
        WEIGHTS,
        stored(WEIGHTS),
        WEIGHTS.astype(np.float16).astype(np.float32),
        np.where(RNG.random(WEIGHTS.shape) < 0.5, 0, WEIGHTS).astype(np.float32),
        np.full((64, 64), np.nan, np.float32),
        np.zeros((2, 4), np.float32),
    ],
)
def test_plain_weights_are_on_no_grid(values: np.ndarray) -> None:
    assert find_grid(values) is None


def test_errors_that_were_passed_on_are_not_the_nearest_level() -> None:
    """Each value takes over half of what rounding the one before it left, as GPTQ does."""
    values = affine(WEIGHTS, 4, 32)
    moved = WEIGHTS.copy()
    for column in range(1, moved.shape[1]):
        moved[:, column] += 0.7 * (moved[:, column - 1] - values[:, column - 1])
        levels = values[:, column // 32 * 32 : column // 32 * 32 + 32]
        values[:, column] = np.take_along_axis(
            levels, np.abs(moved[:, column, None] - levels).argmin(axis=1, keepdims=True), axis=1
        )[:, 0]
    assert nearest_share(WEIGHTS, values, Grid(bits=4, group_size=32, scheme="integer")) < 0.9
