"""Rows of two models recognised by their angles alone, whatever the basis and the order."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ortho_group

from fingerprints.kernels.bases import refined
from fingerprints.kernels.profiles import from_profiles

WIDTH, SIZES = 32, (300, 200, 200)


def sets(seed: int) -> list[np.ndarray]:
    """Sets of unit rows whose dimensions differ in size and whose rows hang together, as those of trained models do."""
    rng = np.random.default_rng(seed)
    scales = rng.lognormal(0, 0.5, WIDTH)
    found = []
    for size in SIZES:
        groups = rng.standard_normal((12, WIDTH))[rng.integers(0, 12, size)]
        found.append((groups * rng.uniform(0, 1, (size, 1)) + rng.standard_normal((size, WIDTH))) * scales)
    return [unit(rows) for rows in found]


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def turned(x: list[np.ndarray], q: np.ndarray, noise: float) -> list[np.ndarray]:
    """In another basis and order, moved by a share of their length."""
    rng = np.random.default_rng(7)
    moved = [rows + noise * rng.standard_normal(rows.shape) / np.sqrt(WIDTH) for rows in x]
    return [unit(rng.permutation(rows @ q)) for rows in moved]


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.1])
def test_a_rotation_comes_back_from_rows_in_any_order(noise: float) -> None:
    q = ortho_group(WIDTH, seed=1).rvs().astype(np.float32)
    x = sets(0)
    y = turned(x, q, noise)
    guess = from_profiles(x, y)
    assert guess is not None
    np.testing.assert_allclose(guess @ guess.T, np.eye(WIDTH), atol=1e-4)
    found, share = refined(guess, np.concatenate(x), np.concatenate(y))
    assert share > 0.95
    np.testing.assert_allclose(found, q, atol=0.02 + 0.2 * noise)


def test_strangers_are_not_brought_together() -> None:
    for seed in range(5):
        x, y = sets(2 * seed), sets(2 * seed + 1)
        guess = from_profiles(x, y)
        assert guess is not None
        assert refined(guess, x[0], y[0])[1] < 0.2


def test_too_few_rows_give_nothing() -> None:
    assert from_profiles([], []) is None
    few = sets(0)[0][:5]
    assert from_profiles([few], [few]) is None


def test_sets_may_differ_in_length() -> None:
    q = ortho_group(WIDTH, seed=2).rvs().astype(np.float32)
    x = sets(0)
    y = [rows[: -len(rows) // 10] for rows in turned(x, q, 0.05)]
    guess = from_profiles(x, y)
    assert guess is not None
    found, _ = refined(guess, np.concatenate(x), np.concatenate(y))
    np.testing.assert_allclose(found, q, atol=0.05)
