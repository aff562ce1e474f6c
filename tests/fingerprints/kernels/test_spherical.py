from __future__ import annotations

import numpy as np
import pytest

from fingerprints.kernels.spherical import coefficients, position


@pytest.mark.parametrize("t", [0.0, 0.1, 0.5, 0.73, 1.0])
@pytest.mark.parametrize("cosine", [-0.4, 0.0, 0.9, 0.99])
def test_points_of_the_arc_between_unit_vectors_are_unit_vectors_at_their_share_of_the_angle(
    t: float, cosine: float
) -> None:
    ends = np.array([[1.0, 0.0], [cosine, np.sqrt(1 - cosine**2)]])
    point = np.array(coefficients(t, cosine)) @ ends
    assert np.linalg.norm(point) == pytest.approx(1.0)
    assert np.arccos(np.clip(point @ ends[0], -1, 1)) == pytest.approx(t * np.arccos(cosine), abs=1e-7)


@pytest.mark.parametrize("t", [-0.2, 0.0, 0.35, 0.5, 1.0, 1.3])
@pytest.mark.parametrize("alike", [0.2, 0.95, 0.9999])
def test_a_point_is_found_where_it_was_put(t: float, alike: float) -> None:
    rng = np.random.default_rng(0)
    first, other = rng.standard_normal((2, 3000))
    second = 1.5 * (alike * first + np.sqrt(1 - alike**2) * other)
    cosine = float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))
    ends = np.stack([first, second])
    point = np.array(coefficients(t, cosine)) @ ends
    assert position(ends @ ends.T, ends @ point, cosine) == pytest.approx(t, abs=1e-5)


@pytest.mark.parametrize("cosine", [1.0, -1.0, 0.9996])
def test_parallel_ends_are_interpolated_linearly(cosine: float) -> None:
    assert coefficients(0.3, cosine) == (0.7, 0.3)
    assert coefficients(0.3, 1.0, 1.0) == (0.7, 0.3)
