"""Sketches and moments of bags of rows: what they must not see, and what they must."""

from __future__ import annotations

import numpy as np
import pytest

from fingerprints.kernels.spans import span_sketch, weighted_moments


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def directions(width: int, count: int) -> np.ndarray:
    return np.linalg.qr(drawn(width, count, seed=9))[0]


def rotation(width: int, seed: int = 5) -> np.ndarray:
    return np.linalg.qr(drawn(width, width, seed=seed))[0]


@pytest.mark.parametrize("block", [1, 8])
def test_a_sketch_sees_neither_rotation_nor_order_nor_the_basis_of_a_block(block):
    rows, seen, q = drawn(64, 48), directions(48, 32), rotation(48)
    blocks = rows.reshape(-1, block, 48)[np.random.default_rng(1).permutation(64 // block)]
    disguised = (drawn(64 // block, block, block, seed=2) @ blocks).reshape(64, 48) @ q
    np.testing.assert_allclose(span_sketch(rows, seen, block), span_sketch(disguised, q.T @ seen, block), atol=1e-4)


@pytest.mark.parametrize("block", [1, 8])
def test_sketches_of_other_rows_are_not_alike(block):
    seen = directions(48, 32)
    sketches = [span_sketch(drawn(64, 48, seed=seed), seen, block) for seed in range(20)]
    cosines = np.stack(sketches) @ np.stack(sketches).T
    np.testing.assert_allclose(np.diag(cosines), 1.0, rtol=1e-6)
    assert np.abs(cosines[~np.eye(20, dtype=bool)]).max() < 0.2


def test_blocks_that_are_mixed_with_one_another_are_other_blocks():
    rows, seen = drawn(64, 48), directions(48, 32)
    mixed = rows[np.random.default_rng(1).permutation(64)]
    assert span_sketch(rows, seen, 8) @ span_sketch(mixed, seen, 8) < 0.9


def test_rows_of_zeros_span_nothing():
    assert not span_sketch(np.zeros((16, 48), np.float32), directions(48, 8), 4).any()
    rows, seen = drawn(32, 48), directions(48, 8)
    padded = np.concatenate([rows, np.zeros((8, 48), np.float32)])
    np.testing.assert_allclose(span_sketch(rows, seen, 4), span_sketch(padded, seen, 4), atol=1e-6)


def test_moments_turn_with_the_rows_and_see_neither_order_nor_sign_nor_size():
    rows, q = drawn(300, 24) * np.linspace(1, 3, 24, dtype=np.float32), rotation(24)
    order = np.random.default_rng(3).permutation(300)
    scaled = rows[order] * drawn(300, 1, seed=4) @ q
    ours = weighted_moments(lambda: [rows[:100], rows[100:]], 3)
    theirs = weighted_moments(lambda: [scaled], 3)
    assert len(ours) == len(theirs) == 3
    for moment, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(q.T @ moment @ q, other, atol=1e-4)
    assert not np.allclose(ours[0] @ ours[1], ours[1] @ ours[0], atol=1e-2), "they tell more than one of them does"


def test_there_are_no_moments_of_nothing():
    assert weighted_moments(list, 3) == []
