from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.reports.layer_map import LayerMap, find_layer_map
from provenance.result import Kind


def kind(**parameters: Any) -> Kind:
    return Kind(kind="pruned_depth", parameters=parameters)


def test_the_first_map_of_a_kind_is_found() -> None:
    kinds = (Kind(kind="fine_tune"), kind(layer_map=[0, 1, None, 3], dropped=[2], child="b"))
    assert find_layer_map(kinds) == LayerMap(child="B", sources=(0, 1, None, 3), dropped=(2,))


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"layer_map": [0, 1]},
        {"layer_map": [], "child": "b"},
        {"layer_map": [0, -1], "child": "b"},
        {"layer_map": [0, 10**9], "child": "b"},
        {"layer_map": [0, True], "child": "b"},
        {"layer_map": "01", "child": "b"},
        {"layer_map": [0], "dropped": ["x"], "child": "b"},
        {"layer_map": [0], "child": "c"},
    ],
)
def test_what_cannot_be_drawn_is_not(parameters: dict[str, Any]) -> None:
    assert find_layer_map((kind(**parameters),)) is None


@given(st.lists(st.none() | st.integers(0, 9), min_size=1, max_size=30))
def test_the_runs_are_the_map(sources: list[int | None]) -> None:
    found: list[int | None] = []
    drawn = LayerMap(child="A", sources=tuple(sources), dropped=())
    for run in drawn.runs():
        assert run.first == len(found)
        for step in range(run.last - run.first + 1):
            found.append(None if run.parent_first is None else run.parent_first + step)
        assert run.parent_last == found[-1]
    assert found == sources
    assert drawn.parent == "B"
