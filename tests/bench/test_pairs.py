"""Which nets are compared."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.pairs import DISTANCES, MOST, Pair, appearances, circle, selected
from bench.zoo import tiny


@given(st.integers(15, 60))
def test_a_circle_pairs_every_item_equally_often_and_never_twice(count):
    pairs = circle(range(count))
    counts = appearances(Pair(group="", a=Path(f"{a}"), b=Path(f"{b}")) for a, b in pairs)
    assert set(counts.values()) == {2 * len(DISTANCES)}
    assert len({frozenset(pair) for pair in pairs}) == len(pairs) == len(DISTANCES) * count
    assert all(a != b for a, b in pairs)


@pytest.mark.parametrize(("count", "distances"), [(8, (1, 7)), (10, (5,)), (4, (4,)), (6, (2, 2))])
def test_distances_that_repeat_a_pair_are_refused(count, distances):
    with pytest.raises(ValueError, match="twice"):
        circle(range(count), distances)


def test_the_selection_is_large_enough_fixed_and_holds_no_net_too_often(monkeypatch, tmp_path):
    models = tmp_path / "admet_ai" / "resources" / "models"
    for task in ("classification", "regression"):
        (models / f"admet_{task}").mkdir(parents=True)
        for number in range(5):
            (models / f"admet_{task}" / f"model_{number}.pt").touch()
    monkeypatch.setattr("bench.pairs.package", lambda *_: tmp_path)
    monkeypatch.setattr(
        tiny,
        "nets",
        lambda workers: {name: [tiny.path(name, seed) for seed in range(tiny.SEEDS)] for name in tiny.ARCHITECTURES},
    )
    pairs = selected()
    assert len(pairs) >= 300
    assert max(appearances(pairs).values()) <= MOST
    assert len({pair.name for pair in pairs}) == len(pairs)
    assert pairs == selected()
