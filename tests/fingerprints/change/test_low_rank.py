"""Of how many directions a change is made, above the floor of rounding."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprints.change.low_rank import rounding_energy, spectrum

RNG = np.random.default_rng(0)
BASE = RNG.standard_normal((200, 160))


@settings(max_examples=10, deadline=None)
@given(rank=st.integers(1, 24), seed=st.integers(0, 1000))
def test_the_rank_of_a_product_is_exact(rank: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    change = 0.02 * rng.standard_normal((200, rank)) @ rng.standard_normal((rank, 160))
    found = spectrum(change, 0.0)
    assert found is not None
    assert found.rank == rank


@pytest.mark.parametrize("rank", [1, 4, 16])
def test_rounding_to_bfloat16_hides_no_direction_and_adds_none(rank: int) -> None:
    product = 0.05 * RNG.standard_normal((200, rank)) @ RNG.standard_normal((rank, 160))
    stored = [values.astype(ml_dtypes.bfloat16).astype(np.float64) for values in (BASE, BASE + product)]
    found = spectrum(stored[1] - stored[0], sum(rounding_energy(values, 8) for values in stored))
    assert found is not None
    assert found.rank == rank


def test_a_change_of_many_directions_has_no_rank() -> None:
    found = spectrum(0.05 * RNG.standard_normal(BASE.shape), 0.0)
    assert found is not None
    assert found.rank is None
    assert found.share > 0.8
    assert found.edge == pytest.approx(1.0, abs=0.1)


def test_rounding_alone_is_at_the_floor() -> None:
    stored = BASE.astype(ml_dtypes.bfloat16).astype(np.float64)
    found = spectrum(stored - BASE, rounding_energy(BASE, 8))
    assert found is not None
    assert 0.7 < found.above_floor < 1.4
    assert found.rank is None


def test_nothing_is_said_of_no_change_or_of_no_numbers() -> None:
    assert spectrum(np.zeros((8, 8)), 0.0) is None
    assert spectrum(np.full((8, 8), np.nan), 0.0) is None
