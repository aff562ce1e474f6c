from __future__ import annotations

import numpy as np

from fingerprints.fingerprint.projection import WIDTH, project, signs


def cosines(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.sum(x * y, axis=1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)


def test_angles_between_rows_survive_with_the_error_that_64_signs_have() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2000, 3000))
    y = 0.6 * x + 0.8 * rng.standard_normal(x.shape)
    error = cosines(project(x)[0].astype(float), project(y)[0].astype(float)) - cosines(x, y)
    assert abs(error.mean()) < 0.01
    assert abs(error.std() - (1 - 0.6**2) / np.sqrt(WIDTH)) < 0.02


def test_relabelled_rows_give_relabelled_projections() -> None:
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((96, 700))
    order = rng.permutation(96)
    whole, lengths = project(rows)
    again, relabelled = project(rows[order])
    assert np.array_equal(again, whole[order])
    assert np.array_equal(relabelled, lengths[order])


def test_signs_are_balanced_and_columns_uncorrelated() -> None:
    matrix = signs(4096).astype(float)
    assert np.abs(matrix.mean(axis=0)).max() < 5 / 64
    products = matrix.T @ matrix / 4096 - np.eye(WIDTH)
    assert np.abs(products).max() < 5 / 64


def test_short_rows_are_kept_and_rows_without_numbers_are_zero() -> None:
    values, norms = project(np.array([[1.0, -2.0], [np.nan, 3.0]]))
    assert values.tolist() == [[64, -127], [0, 0]]
    assert norms.tolist() == [np.float32(np.sqrt(5)), 0.0]
