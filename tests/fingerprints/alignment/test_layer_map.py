"""Layer maps from tables of likeness: what was dropped, repeated, inserted, turned round or shuffled comes back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprints.alignment.layer_map import find_layer_map

DEPTH = 12
MAPS: dict[str, list[int | None]] = {
    "the same": list(range(DEPTH)),
    "every second one": list(range(0, DEPTH, 2)),
    "first ones": list(range(7)),
    "last ones": list(range(5, DEPTH)),
    "one alone": [4],
    "overlap": [*range(9), *range(3, DEPTH)],
    "each twice": [layer for layer in range(DEPTH) for _ in range(2)],
    "blocks of three twice": [layer for start in (0, 3, 6, 9) for _ in range(2) for layer in range(start, start + 3)],
    "reversed": list(range(DEPTH))[::-1],
    "inserted": [0, 1, None, 2, 3, None, 4, 5, None, 6, 7, None, 8, 9, None, 10, 11, None],
    "shuffled": [7, 2, 10, 0, 5, 11, 3, 8, 1, 6, 9, 4],
}


def table(layer_map: list[int | None], likeness: float, noise: float, seed: int) -> np.ndarray:
    """Of the parent's layers with the child's: neighbours are a little alike, counterparts as much as is said."""
    rng = np.random.default_rng(seed)
    found = noise * rng.standard_normal((DEPTH, len(layer_map)))
    for child, parent in enumerate(layer_map):
        if parent is not None:
            found[:, child] += 0.1 * likeness * np.exp(-np.abs(np.arange(DEPTH) - parent))
            found[parent, child] += likeness
    return found


@pytest.mark.parametrize("case", MAPS)
@pytest.mark.parametrize(("likeness", "noise"), [(1.0, 0.02), (0.5, 0.05), (0.3, 0.03)])
@pytest.mark.parametrize("first", [True, False], ids=["parent first", "child first"])
def test_the_map_comes_back(case: str, likeness: float, noise: float, first: bool) -> None:
    wanted = MAPS[case]
    seen = table(wanted, likeness, noise, seed=len(case))
    numbers = list(range(DEPTH)), list(range(len(wanted)))
    found = find_layer_map(seen, *numbers) if first else find_layer_map(seen.T, *numbers[::-1])
    assert found is not None
    partner = {b: a for a, b in found.pairs} if first else dict(found.pairs)
    assert [partner.get(layer) for layer in range(len(wanted))] == wanted
    assert found.is_identity == (case == "the same")


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, DEPTH), st.integers(1, 16))
def test_strangers_have_no_map(seed: int, parents: int, children: int) -> None:
    rng = np.random.default_rng(seed)
    noise = 0.012 * rng.standard_normal((parents, children))
    assert find_layer_map(noise, list(range(parents)), list(range(children))) is None


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(1, 8))
def test_sides_may_be_exchanged(seed: int, parents: int, children: int) -> None:
    likeness = np.random.default_rng(seed).uniform(0.2, 1, (parents, children))
    ours, theirs = list(range(3, 3 + parents)), list(range(children))
    there, back = find_layer_map(likeness, ours, theirs), find_layer_map(likeness.T, theirs, ours)
    assert there is not None
    assert back is not None
    assert sorted((a, b) for b, a in back.pairs) == list(there.pairs)
    assert all(there.scores[pair] == likeness[pair[0] - 3, pair[1]] for pair in there.pairs)


def test_a_stranger_among_copies_has_no_counterpart() -> None:
    seen = table([0, 1, 2, None, 4, 5, 6, 7], 0.8, 0.02, 0)
    found = find_layer_map(seen, list(range(DEPTH)), list(range(8)))
    assert found is not None
    assert list(found.pairs) == [(layer, layer) for layer in (0, 1, 2, 4, 5, 6, 7)]


def test_no_layers_have_no_map() -> None:
    assert find_layer_map(np.zeros((0, 3)), [], [0, 1, 2]) is None
    assert find_layer_map(np.zeros((3, 0)), [0, 1, 2], []) is None
