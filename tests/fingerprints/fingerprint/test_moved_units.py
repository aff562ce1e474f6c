from __future__ import annotations

from math import factorial

import numpy as np
import pytest

from fingerprints.fingerprint.fingerprint import AxisPrint
from fingerprints.fingerprint.moved_units import FEWEST_FEATURES, moved_units
from fingerprints.fingerprint.projection import project
from fingerprints.ordering import Order

UNITS, FEATURES = 96, 300


def printed(features: np.ndarray) -> AxisPrint:
    values, norms = project(features)
    return AxisPrint(
        name="table",
        axis=1,
        positions=np.arange(len(features)),
        faced="rows 0-299",
        order=Order.FREE,
        folded=False,
        values=values,
        norms=norms,
    )


def test_independent_units_are_matched_alike_as_rarely_as_the_bound_says() -> None:
    random = np.random.default_rng(0)
    counts = np.array(
        [moved_units(*(printed(random.standard_normal((UNITS, FEATURES))) for _ in range(2))) for _ in range(300)]
    )
    assert counts.max() > 0
    for least in range(1, 8):
        expected = len(counts) / factorial(least)
        assert np.sum(counts >= least) <= expected + 4 * np.sqrt(expected) + 1


@pytest.mark.parametrize("common", [0.6, 0.9])
def test_units_in_another_order_and_of_other_signs_are_recognised(common: float) -> None:
    random = np.random.default_rng(1)
    units = random.standard_normal((UNITS, FEATURES))
    relative = common * units + np.sqrt(1 - common**2) * random.standard_normal(units.shape)
    moved = random.permutation(relative) * random.choice([-1.0, 1.0], (UNITS, 1))
    assert moved_units(printed(units), printed(moved)) > (80 if common > 0.8 else 15)


def test_few_features_tell_nothing() -> None:
    units = np.random.default_rng(2).standard_normal((UNITS, FEWEST_FEATURES - 1))
    assert moved_units(printed(units), printed(units)) == 0
    assert moved_units(printed(units), printed(units[:, :4])) == 0
