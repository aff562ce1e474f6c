"""Known rotations come back: from matched rows, from rows in any order, from second moments alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import hadamard, orthogonal_procrustes
from scipy.stats import ortho_group

from fingerprints.kernels.bases import as_permutation, from_moments, is_hadamard, procrustes, refined

WIDTH = 24


def rows(seed: int, count: int = 200, width: int = WIDTH) -> np.ndarray:
    """Rows of unit length whose dimensions differ in size, as those of trained models do."""
    rng = np.random.default_rng(seed)
    values = rng.standard_t(4, (count, width)) * rng.lognormal(0, 0.5, width)
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def rotation(seed: int, width: int = WIDTH) -> np.ndarray:
    return ortho_group(width, seed=seed).rvs().astype(np.float32)


@settings(max_examples=30)
@given(st.integers(0, 1000))
def test_procrustes_is_what_scipy_solves(seed: int) -> None:
    x = rows(seed)
    y = x @ rotation(seed) + 0.1 * rows(seed + 1)
    q = procrustes(x, y)
    np.testing.assert_allclose(q, orthogonal_procrustes(x, y)[0], atol=1e-3)
    np.testing.assert_allclose(q @ q.T, np.eye(WIDTH), atol=1e-4)


@pytest.mark.parametrize("noise", [0.0, 0.005])
def test_moments_give_the_rotation_whatever_the_order_of_rows(noise: float) -> None:
    x, q = rows(3, 2000), rotation(4)
    second = rows(5, 2000)
    rng = np.random.default_rng(6)
    y, other = (rng.permutation(part @ q + noise * rng.standard_normal(part.shape)) for part in (x, second))
    moments = [(one.T @ one, two.T @ two) for one, two in ((x, y), (second, other))]
    found = from_moments(moments)
    assert found is not None
    better = min(np.abs(sign * found - q).max() for sign in (1, -1))
    assert better < (1e-2 if not noise else 0.2)
    settled, share = refined(found, x, y.astype(np.float32))
    assert share > 0.95
    np.testing.assert_allclose(settled, q, atol=1e-3 if not noise else 0.02)


def test_no_moments_give_nothing() -> None:
    assert from_moments([]) is None
    assert from_moments([(np.zeros((3, 3)), np.eye(3))]) is None


@pytest.mark.parametrize("sign", [1, -1])
def test_a_guess_nearby_is_refined_to_the_rotation(sign: int) -> None:
    rng = np.random.default_rng(0)
    x, q = rows(1, 400), rotation(2)
    y = rng.permutation(x @ q).astype(np.float32)
    near = sign * procrustes(np.eye(WIDTH, dtype=np.float32), q + 0.05 * rng.standard_normal(q.shape, np.float32))
    found, share = refined(near, x, y)
    assert share == 1.0
    np.testing.assert_allclose(found, q, atol=1e-3)


def test_strangers_are_not_refined_to_a_common_basis() -> None:
    for seed in range(5):
        _, share = refined(rotation(seed), rows(2 * seed), rows(2 * seed + 1))
        assert share < 0.2


@given(st.permutations(range(WIDTH)), st.lists(st.booleans(), min_size=WIDTH, max_size=WIDTH))
def test_a_signed_permutation_is_told(order: list[int], flips: list[bool]) -> None:
    signs = np.where(flips, -1, 1)
    q = np.zeros((WIDTH, WIDTH), np.float32)
    q[np.arange(WIDTH), order] = signs
    noisy = procrustes(np.eye(WIDTH, dtype=np.float32), q + 0.01 * rows(0, WIDTH))
    found = as_permutation(noisy)
    assert found is not None
    assert found[0].tolist() == order
    assert found[1].tolist() == signs.tolist()


def test_rotations_are_no_permutations() -> None:
    assert all(as_permutation(rotation(seed)) is None for seed in range(5))
    assert not any(is_hadamard(rotation(seed)) for seed in range(5))
    h = hadamard(32) / np.sqrt(32)
    signs = np.where(np.random.default_rng(0).random(32) < 0.5, -1, 1)
    assert is_hadamard((h * signs).astype(np.float32))
    assert as_permutation(h.astype(np.float32)) is None
