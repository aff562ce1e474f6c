from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from fingerprints.kernels.spectrum import EXACT_SIDE, LEADING, spectrum


def summary(matrix: Any, step: int = 100) -> Any:
    def blocks() -> Iterator[Any]:
        for start in range(0, len(matrix), step):
            yield matrix[start : start + step]

    return spectrum(blocks, matrix.shape[1])


def truth(matrix: Any) -> tuple[float, float, list[float]]:
    energies = np.linalg.svd(matrix.astype(np.float64), compute_uv=False) ** 2
    total = energies.sum()
    return total / energies[0], total**2 / (energies**2).sum(), [energies[:n].sum() / total for n in LEADING]


def low_rank(rows: int, columns: int, rank: int, noise: float) -> Any:
    rng = np.random.default_rng(rank)
    product = rng.standard_normal((rows, rank)) @ rng.standard_normal((rank, columns)) / np.sqrt(rank)
    return (product + noise * rng.standard_normal((rows, columns))).astype(np.float32)


@pytest.mark.parametrize("matrix", [low_rank(300, 200, 5, 0.01), low_rank(90, EXACT_SIDE, 1, 1.0)])
def test_narrow_matrices_are_exact(matrix: Any) -> None:
    stable, effective, shares = truth(matrix)
    found = summary(matrix)
    assert found.stable_rank == pytest.approx(stable, rel=1e-6)
    assert found.effective_rank == pytest.approx(effective, rel=1e-6)
    assert found.energy == pytest.approx(shares, rel=1e-6)


@pytest.mark.parametrize(("rank", "noise"), [(1, 0.0), (4, 0.01), (32, 0.05), (16, 1.0)])
def test_wide_matrices_of_low_rank_are_nearly_exact(rank: int, noise: float) -> None:
    matrix = low_rank(900, 1100, rank, noise)
    stable, effective, shares = truth(matrix)
    found = summary(matrix)
    assert found.stable_rank == pytest.approx(stable, rel=0.02)
    assert found.effective_rank == pytest.approx(effective, rel=0.05)
    assert found.energy == pytest.approx(shares, rel=0.05)


def test_of_noise_the_leading_shares_are_never_overstated() -> None:
    matrix = low_rank(900, 1100, 1, 1000.0)
    stable, effective, shares = truth(matrix)
    found = summary(matrix)
    assert found.effective_rank == pytest.approx(effective, rel=0.1)
    assert stable <= found.stable_rank <= 1.3 * stable
    for share, most in zip(found.energy, shares, strict=True):
        assert 0.7 * most <= share <= most * (1 + 1e-5)


@pytest.mark.parametrize("columns", [8, EXACT_SIDE + 8])
def test_a_matrix_of_zeros_has_no_spectrum(columns: int) -> None:
    assert summary(np.zeros((5, columns), np.float32)) is None
