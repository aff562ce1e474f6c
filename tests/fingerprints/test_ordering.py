"""The guard of the permutation null: silent on interchangeable units, awake on ordered and on serial ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprints import ordering
from fingerprints.ordering import Order, order_of, order_of_pair, windows
from fingerprints.sampling import RUN, units

EXCHANGEABLE = {
    "gaussian": lambda rng, m, k: rng.standard_normal((m, k)),
    "heavy tails": lambda rng, m, k: rng.standard_t(1.5, (m, k)),
    "sizes of their own": lambda rng, m, k: rng.standard_normal((m, k)) * rng.lognormal(0, 2, (m, 1)),
    "one common direction": lambda rng, m, k: rng.standard_normal((m, k)) + rng.standard_normal(k),
    "dead units": lambda rng, m, k: rng.standard_normal((m, k)) * (rng.random((m, 1)) < 0.7),
    "one number a unit": lambda rng, m, k: rng.standard_normal((m, 1)) + 1,
}


def axis(length: int, m: int = 256) -> np.ndarray:
    return units(length, m)


@pytest.mark.parametrize("length", [40, 128, 4096])
@pytest.mark.parametrize("shape", EXCHANGEABLE)
def test_interchangeable_units_raise_no_alarm(shape: str, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    positions = axis(length)
    judged = []
    monkeypatch.setattr(ordering, "ALARM", -3.0)
    for seed in range(500):
        rng = np.random.default_rng((seed, length))
        judged.append(order_of(EXCHANGEABLE[shape](rng, len(positions), 8), positions))
    assert sum(order is not Order.FREE for order in judged) <= 6, "a level of 1e-3 three times over"


def test_a_width_sorted_by_importance_is_a_trend() -> None:
    rng = np.random.default_rng(0)
    positions = axis(4096)
    x = rng.standard_normal((len(positions), 16)) * np.linspace(2, 1, len(positions))[:, None]
    assert order_of(x, positions) is Order.TREND
    assert order_of(x[::-1], positions) is Order.TREND


def test_pixels_are_serial() -> None:
    rng = np.random.default_rng(1)
    positions = axis(3072)
    smooth = 1 + 0.5 * np.sin(np.arange(3072) / 3)
    x = rng.standard_normal((len(positions), 32)) * smooth[positions][:, None]
    assert order_of(x, positions) is Order.SERIAL


def test_filters_along_time_are_serial_though_their_norms_are_equal() -> None:
    rng = np.random.default_rng(2)
    positions = axis(512)
    x = np.cumsum(rng.standard_normal((512, 32)), axis=0)[positions]
    assert order_of(x / np.linalg.norm(x, axis=1, keepdims=True), positions) is Order.SERIAL


def test_one_interchangeable_side_is_enough() -> None:
    rng = np.random.default_rng(3)
    positions = axis(4096)
    free = rng.standard_normal((len(positions), 16))
    trend = free * np.linspace(2, 1, len(positions))[:, None]
    serial = np.cumsum(rng.standard_normal((4096, 16)), axis=0)[positions]
    sides = {Order.FREE: free, Order.TREND: trend, Order.SERIAL: serial}
    severity = list(sides)
    for one, x in sides.items():
        assert order_of(x, positions) is one
        for other, y in sides.items():
            assert order_of_pair(x, y, positions) is min(one, other, key=severity.index)


@pytest.mark.parametrize("m", [0, 1, 31])
def test_too_few_units_tell_nothing(m: int) -> None:
    assert order_of(np.arange(m, dtype=float)[:, None], np.arange(m)) is Order.FREE


def test_equal_units_are_not_ordered() -> None:
    assert order_of(np.ones((64, 4)), np.arange(64)) is Order.FREE
    assert order_of(np.zeros((64, 4)), np.arange(64)) is Order.FREE


@given(st.integers(0, 2000))
def test_windows_are_runs_of_neighbours_and_none_is_alone(m: int) -> None:
    labels = windows(np.arange(m, dtype=np.int64))
    assert len(labels) == m
    assert (np.diff(labels) >= 0).all()
    sizes = np.bincount(labels) if m else np.array([], dtype=int)
    assert (sizes[sizes > 0] >= min(m, 2)).all()
    assert (sizes < 2 * RUN).all()
    if m >= RUN:
        assert (sizes >= RUN).all()
