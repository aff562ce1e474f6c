"""Of how many directions a change is made."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprints.anatomy import build_anatomy
from fingerprints.difference import rank_shares
from fingerprints.pairing import pair_parts
from tests.in_memory import InMemory

RNG = np.random.default_rng(0)
BASE = RNG.standard_normal((300, 200)).astype(np.float32)


def shares(a: np.ndarray, b: np.ndarray, energy: float = 0.99, **how: object) -> list[float]:
    left, right = InMemory({"a.weight": a}), InMemory({"a.weight": b}, **how)
    pairing = pair_parts(build_anatomy(left), build_anatomy(right))
    return rank_shares(pairing.pairs, left, right, energy=energy)


@settings(max_examples=5, deadline=None)
@given(st.integers(1, 12), st.integers(0, 100))
def test_a_low_rank_update_needs_no_more_directions_than_its_rank(rank: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    update = 0.01 * rng.standard_normal((300, rank)) @ rng.standard_normal((rank, 200))
    (share,) = shares(BASE, (BASE + update).astype(np.float32))
    assert 0 < share <= rank / 200 + 1e-9


def test_a_full_fine_tune_needs_most_of_them() -> None:
    (share,) = shares(BASE, BASE + 0.01 * RNG.standard_normal(BASE.shape).astype(np.float32))
    assert share > 0.8


def test_more_energy_needs_more_directions() -> None:
    moved = BASE + 0.01 * RNG.standard_normal(BASE.shape).astype(np.float32)
    found = [shares(BASE, moved, energy)[0] for energy in (0.1, 0.5, 0.9, 0.999)]
    assert found == sorted(found)
    assert found[0] < found[-1] <= 1


def test_filters_are_matrices() -> None:
    base = RNG.standard_normal((64, 8, 3, 3)).astype(np.float32)
    update = np.einsum("i,jkl->ijkl", RNG.standard_normal(64), RNG.standard_normal((8, 3, 3))).astype(np.float32)
    assert shares(base, base + update) == [pytest.approx(1 / 64)]


def test_what_did_not_change_or_cannot_be_read_has_no_share() -> None:
    assert shares(BASE, BASE) == []
    assert shares(BASE, np.full_like(BASE, np.nan)) == []
    assert shares(BASE, BASE + 1, broken=["a.weight"]) == []
