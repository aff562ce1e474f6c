from __future__ import annotations

import numpy as np

from provenance.identification.geometry import Path, closest, leads_through


def path(*changes: float, equal: int = 0) -> Path:
    return Path(changes={str(place): change**2 for place, change in enumerate(changes)}, equal=equal)


def test_the_shortest_path_wins_and_paths_within_their_scatter_tie() -> None:
    rng = np.random.default_rng(0)
    near = path(*(0.1 + 0.01 * rng.standard_normal(40)))
    same = path(*(0.1 + 0.01 * rng.standard_normal(40)))
    far = path(*(0.2 + 0.01 * rng.standard_normal(40)))
    assert closest([far, near]) == [1]
    assert set(closest([near, far, same])) == {0, 2}


def test_below_rounding_equal_tensors_decide() -> None:
    assert closest([path(0.003, 0.003), path(0.009, 0.0, equal=1)]) == [1]
    assert set(closest([path(0.004, 0.0, equal=1), path(0.003, 0.003, equal=1)])) == {0, 1}


def test_squared_lengths_add_up_on_the_way_through_another() -> None:
    assert leads_through(path(0.3), path(0.4), path(0.5))
    assert not leads_through(path(0.3), path(0.4), path(0.65))
    assert not leads_through(path(0.3), path(0.4), path(0.2))
    assert leads_through(path(0.001), path(0.4), path(0.4))
