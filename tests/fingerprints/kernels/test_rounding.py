from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from fingerprints.kernels.rounding import narrowest, rounded_to, spacing

TYPES = {"BF16": ml_dtypes.bfloat16, "F16": np.float16, "F32": np.float32}


@pytest.mark.parametrize("name", TYPES)
def test_spacing_is_the_distance_to_the_next_number(name: str) -> None:
    values = np.abs(np.random.default_rng(0).standard_normal(500)).astype(TYPES[name])
    after = np.nextafter(values, TYPES[name](np.inf))
    assert np.array_equal(
        spacing(values.astype(np.float64), name), after.astype(np.float64) - values.astype(np.float64)
    )


@pytest.mark.parametrize("name", TYPES)
def test_rounding_is_wrong_by_at_most_half_a_spacing(name: str) -> None:
    values = np.random.default_rng(1).standard_normal(2000)
    assert (np.abs(rounded_to(values, name) - values) <= spacing(values, name) * 0.5 * (1 + 1e-6)).all()


@pytest.mark.parametrize("name", TYPES)
def test_a_widened_array_shows_its_type(name: str) -> None:
    values = np.random.default_rng(2).standard_normal(200).astype(TYPES[name]).astype(np.float32)
    values[3] = np.nan
    assert narrowest(values) == name
