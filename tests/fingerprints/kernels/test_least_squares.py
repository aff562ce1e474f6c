from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fingerprints.kernels.least_squares import (
    cross_products,
    directions,
    estimate,
    indistinct,
    solve,
    student_quantile,
)


def problem(seed: int, *, count: int = 3, size: int = 400, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    regressors = rng.standard_normal((count, size))
    return regressors, np.arange(1, count + 1) @ regressors + noise * rng.standard_normal(size)


def test_free_weights_are_those_of_numpy() -> None:
    x, y = problem(0)
    weights = solve(x @ x.T, x @ y, directions(3, fixed_sum=False), np.zeros(3))
    assert weights == pytest.approx(np.linalg.lstsq(x.T, y, rcond=None)[0])


def test_weights_with_a_fixed_sum_solve_the_problem_with_one_eliminated() -> None:
    x, y = problem(1)
    weights = solve(x @ x.T, x @ y, directions(3, fixed_sum=True), np.full(3, 1 / 3))
    rest = np.linalg.lstsq((x[1:] - x[0]).T, y - x[0], rcond=None)[0]
    assert weights.sum() == pytest.approx(1.0)
    assert weights[1:] == pytest.approx(rest)


def test_barred_directions_keep_their_start() -> None:
    x, _ = problem(2)
    x[1] = x[0]
    free = directions(3, fixed_sum=True, without=np.array([[1.0], [-1.0], [0.0]]))
    weights = solve(x @ x.T, x @ (0.6 * x[0] + 0.4 * x[2]), free, np.full(3, 1 / 3))
    assert weights == pytest.approx([0.3, 0.3, 0.4])


def test_blocks_sum_to_the_whole() -> None:
    x, _ = problem(3)
    blocks = np.arange(400) * 7 // 400
    found = cross_products(x.astype(np.float32), blocks, 7)
    assert found.shape == (7, 3, 3)
    assert found.sum(axis=0) == pytest.approx(x @ x.T, rel=1e-5)


def test_intervals_hold_the_truth_when_clusters_disagree() -> None:
    held = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((30, 2, 40))
        noise = rng.standard_normal((30, 40)) + rng.standard_normal((30, 1)) * x[:, 0]
        y = np.array([1.0, 2.0]) @ x + noise
        products, targets = x @ x.transpose(0, 2, 1), np.einsum("tkn,tn->tk", x, y)
        found = estimate(products, targets, np.ones(30), directions(2, fixed_sum=False), np.zeros(2))
        held += bool(abs(found.weights[0] - 1.0) <= found.halves()[0])
    assert 0.9 <= held / 300 <= 0.99


def test_the_given_noise_is_the_least_error() -> None:
    x, y = problem(4, noise=0.0)
    found = estimate((x @ x.T)[None], (x @ y)[None], np.ones(1), directions(3, fixed_sum=False), np.zeros(3))
    assert found.errors == pytest.approx(np.sqrt(np.diag(np.linalg.inv(x @ x.T))))


def test_what_is_a_combination_up_to_noise_is_indistinct() -> None:
    rng = np.random.default_rng(5)
    x, _ = problem(5, size=5000)
    noise = 1e-3
    x[2] = (x[0] + x[1]) / 2 + noise * rng.standard_normal(5000)
    energies = np.full(3, 5000 * noise**2)
    found = indistinct(x @ x.T, energies, directions(3, fixed_sum=True), 4.0)
    assert found.shape == (3, 1)
    assert np.abs(found[:, 0]) == pytest.approx(np.array([1, 1, 2]) / np.sqrt(6), abs=0.01)
    assert indistinct(x @ x.T, energies / 100, directions(3, fixed_sum=True), 4.0).shape == (3, 0)


@pytest.mark.parametrize("freedom", [1, 2, 3, 5, 10, 40, 1000])
def test_quantiles_are_those_of_scipy(freedom: int) -> None:
    assert student_quantile(0.975, freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=0.01)
