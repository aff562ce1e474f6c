"""The singular values of a matrix that comes in blocks of rows, as far as a few numbers tell them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprints.values import Floats32

Floats = npt.NDArray[np.float64]
Blocks = Callable[[], Iterator[Floats32]]
"""Gives the rows in order, each time from the beginning."""

EXACT_SIDE = 512
"""Up to this many columns all singular values are computed."""
LEADING = (1, 8, 64)
_DIRECTIONS = LEADING[-1] + 16
_ROUNDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectrum:
    """Of singular values s, with energies s².

    Attributes
    ----------
    stable_rank : float
        Sum of the energies over the largest; at least 1.
    effective_rank : float
        Squared sum of the energies over the sum of their squares (participation ratio); at least 1.
    energy : tuple of three floats
        Share of the largest 1, 8 and 64 energies.
    """

    stable_rank: float
    effective_rank: float
    energy: tuple[float, float, float]


def spectrum(blocks: Blocks, columns: int, *, seed: int = 0) -> Spectrum | None:
    """Summarise the singular values of a matrix.

    Up to 512 columns they are exact. Beyond, the largest come from two rounds of subspace iteration with 80 directions
    (Halko, Martinsson & Tropp, SIAM Review 53, 2011, algorithm 4.4), which never overstates them; the sum of fourth
    powers of the others is Hutchinson's estimate, held to what their sum of squares allows.

    Parameters
    ----------
    blocks : callable
        Gives blocks of rows, shape (k, columns), finite.
    columns : int
        Their length.
    seed : int
        Of the directions.

    Returns
    -------
    Spectrum or None
        None for a matrix of zeros.
    """
    if columns <= EXACT_SIDE:
        gram = np.zeros((columns, columns))
        for block in blocks():
            wide = block.astype(np.float64)
            gram += wide.T @ wide
        energies = np.maximum(np.linalg.eigvalsh(gram)[::-1], 0.0)
        return _summary(energies, float(energies.sum()), float((energies**2).sum()))
    return _sketched(blocks, columns, np.random.default_rng(seed))


def _sketched(blocks: Blocks, columns: int, rng: np.random.Generator) -> Spectrum | None:
    directions = rng.standard_normal((columns, _DIRECTIONS)).astype(np.float32)
    applied, total, rows = _gram_times(blocks, directions)
    if total == 0.0:
        return None
    fourth = float((applied**2).sum()) / _DIRECTIONS
    for _ in range(_ROUNDS - 1):
        applied, _, _ = _gram_times(blocks, _orthonormal(applied))
    basis = _orthonormal(applied)
    small = np.zeros((_DIRECTIONS, _DIRECTIONS))
    for block in blocks():
        seen = (block @ basis).astype(np.float64)
        small += seen.T @ seen
    energies = np.maximum(np.linalg.eigvalsh(small)[::-1], 0.0)
    rest = max(total - float(energies.sum()), 0.0)
    held = float((energies**2).sum())
    others = max(min(rows, columns) - _DIRECTIONS, 1)
    tail = min(max(fourth - held, rest**2 / others), rest * float(energies[-1]))
    return _summary(energies, total, held + tail)


def _gram_times(blocks: Blocks, directions: Floats32) -> tuple[Floats, float, int]:
    """DᵀD times the directions, the energy of D, and its number of rows."""
    applied = np.zeros(directions.shape)
    total, rows = 0.0, 0
    for block in blocks():
        applied += block.T @ (block @ directions)
        total += float(np.einsum("ij,ij->", block, block, dtype=np.float64))
        rows += len(block)
    return applied, total, rows


def _orthonormal(vectors: Floats) -> Floats32:
    return np.linalg.qr(vectors)[0].astype(np.float32)


def _summary(energies: Floats, total: float, fourth: float) -> Spectrum | None:
    if total == 0.0 or energies[0] <= 0.0:
        return None
    one, eight, many = (min(float(energies[:count].sum()) / total, 1.0) for count in LEADING)
    return Spectrum(
        stable_rank=max(total / float(energies[0]), 1.0),
        effective_rank=max(total**2 / max(fourth, float(energies[0]) ** 2), 1.0),
        energy=(one, eight, many),
    )
