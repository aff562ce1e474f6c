"""Units matched by features: subsets, copies and padding come back with what they are; strangers are not credible."""

from __future__ import annotations

import numpy as np
import pytest

from fingerprints.alignment.axis_map import AxisMap, Spare, identity_map
from fingerprints.alignment.unit_map import Facing, agreement, match_units

UNITS, FEATURES = 240, 320


def units(seed: int, count: int = UNITS, features: int = FEATURES) -> np.ndarray:
    """Rows as training leaves them: of unequal norms, with heavy tails."""
    rng = np.random.default_rng(seed)
    return (rng.lognormal(0, 0.3, (count, 1)) * rng.standard_t(5, (count, features))).astype(np.float32)


def moved(values: np.ndarray, amount: float, seed: int = 9) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(values.shape)
    return (values + amount * values.std() * noise).astype(np.float32)


@pytest.mark.parametrize("amount", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("kept", [UNITS, UNITS // 2, UNITS // 4])
def test_kept_units_are_found_in_any_order(kept: int, amount: float) -> None:
    parent = units(0)
    chosen = np.random.default_rng(1).permutation(UNITS)[:kept]
    found = match_units([Facing(a=parent, b=moved(parent[chosen], amount))])
    assert found is not None
    assert found.credible
    assert len(found.a) >= 0.95 * kept
    assert np.mean(chosen[found.b] == found.a) == 1.0
    assert (found.units_a, found.units_b) == (UNITS, kept)
    assert found.spare == (None if kept == UNITS else Spare.OTHER)
    assert not found.in_order
    assert found.effect == pytest.approx(1 / np.sqrt(1 + amount**2), abs=0.05)


def test_the_other_way_round_is_the_mirror() -> None:
    parent = units(0)
    child = moved(parent[40:160], 0.2)
    there, back = match_units([Facing(a=parent, b=child)]), match_units([Facing(a=child, b=parent)])
    assert there is not None
    assert back is not None
    order = np.argsort(back.b)
    assert back.b[order].tolist() == there.a.tolist()
    assert back.a[order].tolist() == there.b.tolist()
    assert there.in_order
    assert back.in_order
    assert back.effect == pytest.approx(there.effect)


@pytest.mark.parametrize(
    ("further", "spare"),
    [
        (np.zeros((60, FEATURES), np.float32), Spare.ZERO),
        (moved(units(0)[:60], 0.05), Spare.COPIES),
        (units(5, 60), Spare.OTHER),
    ],
)
def test_what_a_grown_axis_has_more_is_told(further: np.ndarray, spare: Spare) -> None:
    found = match_units([Facing(a=units(0), b=np.concatenate([moved(units(0), 0.01), further]))])
    assert found is not None
    assert found.credible
    assert found.spare is spare
    assert len(found.a) >= 0.95 * UNITS


def test_free_signs_do_not_hide_a_unit() -> None:
    signs = np.where(np.random.default_rng(2).random(UNITS) < 0.5, -1, 1).astype(np.float32)[:, None]
    gate, up = units(0), units(1)
    parts = [Facing(a=gate, b=gate[::-1]), Facing(a=up, b=(signs * up)[::-1], signed=False)]
    found = match_units(parts)
    assert found is not None
    assert found.b.tolist() == list(range(UNITS))[::-1]


@pytest.mark.parametrize("others", [UNITS, 60])
def test_strangers_are_not_credible(others: int) -> None:
    for seed in range(10):
        found = match_units([Facing(a=units(2 * seed + 10), b=units(2 * seed + 11, others))])
        assert found is None or not found.credible


def test_neurons_of_strangers_agree_by_chance() -> None:
    """What they read and what they pass on say different things; of copies they say the same."""
    shares = [
        agreement(
            [Facing(a=units(4 * seed), b=units(4 * seed + 1))], [Facing(a=units(4 * seed + 2), b=units(4 * seed + 3))]
        )
        for seed in range(100, 110)
    ]
    assert max(shares) < 0.05
    read, passed = units(0), units(1)
    order = np.random.default_rng(3).permutation(UNITS)
    parts = [[Facing(a=x, b=moved(x[order], 0.3))] for x in (read, passed)]
    assert agreement(*parts) > 0.95


def test_too_little_to_go_by_is_no_match() -> None:
    assert match_units([Facing(a=units(0, features=16), b=units(0, features=16))]) is None
    assert match_units([Facing(a=units(0, 7), b=units(0, 7))]) is None
    assert match_units([Facing(a=np.zeros((50, 64), np.float32), b=np.zeros((50, 64), np.float32))]) is None


def test_a_few_stray_matches_are_not_credible() -> None:
    few = np.arange(10)
    stray = AxisMap(a=few, b=few, units_a=100, units_b=100, effect=0.9, noise=0.1)
    assert not stray.credible
    assert identity_map(5).credible
    assert identity_map(5).is_identity
