"""Lineages from distances: of points in space, and of real models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from provenance.lineage.graph import Graph, Node
from provenance.lineage.matrix import matrix, matrix_to_json
from provenance.lineage.pair import Pair
from provenance.lineage.reconstruction import reconstruct
from provenance.lineage.sources import read_graph
from provenance.options import Options
from provenance.result import Direction, Relation
from provenance.writing import write_atomically
from tests.small_models import write_average, write_child, write_model


def measured(
    points: Mapping[str, np.ndarray],
    kinds: Mapping[frozenset[str], tuple[str, ...]] | None = None,
    arrows: Mapping[tuple[str, str], Direction] | None = None,
) -> list[Pair]:
    """All pairs of points, as comparisons would have them."""
    return [
        Pair(
            a=a,
            b=b,
            relation=Relation.DERIVED,
            direction=(arrows or {}).get((a, b), Direction.UNDIRECTED),
            kinds=(kinds or {}).get(frozenset((a, b)), ("fine_tune",)),
            distance=float(np.square(points[a] - points[b]).sum()),
        )
        for a, b in combinations(sorted(points), 2)
    ]


def ends(graph: Graph) -> set[tuple[str, ...]]:
    return {(edge.a, edge.b) if edge.directed else tuple(sorted((edge.a, edge.b))) for edge in graph.edges}


@pytest.mark.parametrize("seed", range(5))
def test_a_random_lineage_is_found_again(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, truth = {"m00": rng.normal(size=2000)}, set()
    for number in range(1, 30):
        parent = f"m{rng.integers(number):02}"
        points[f"m{number:02}"] = points[parent] + rng.normal(size=2000) * rng.uniform(0.05, 0.3)
        truth.add((parent, f"m{number:02}"))
    found = reconstruct(list(points), measured(points))
    assert ends(found) == truth
    assert not any(edge.directed for edge in found.edges)


def test_one_arrow_turns_the_edges_below_it() -> None:
    rng = np.random.default_rng(0)
    points = {"d": rng.normal(size=500)}
    for child, parent in (("c", "d"), ("b", "c"), ("a", "b")):
        points[child] = points[parent] + rng.normal(size=500) * 0.1
    arrows = {("c", "d"): Direction.B_TO_A}
    assert ends(reconstruct(list(points), measured(points, arrows=arrows))) == {("d", "c"), ("c", "b"), ("b", "a")}
    # In the middle of the chain it tells nothing about what lies above it.
    arrows = {("b", "c"): Direction.B_TO_A}
    found = reconstruct(list(points), measured(points, arrows=arrows))
    assert {(edge.a, edge.b) for edge in found.edges if edge.directed} == {("c", "b"), ("b", "a")}


def test_a_merge_has_its_parents_and_a_chain_is_none() -> None:
    rng = np.random.default_rng(1)
    base = rng.normal(size=500)
    x, y = base + rng.normal(size=500) * 0.1, base + rng.normal(size=500) * 0.15
    points = {"base": base, "x": x, "y": y, "merge": 0.6 * x + 0.4 * y}
    assert ends(reconstruct(list(points), measured(points))) == {
        ("base", "x"),
        ("base", "y"),
        ("x", "merge"),
        ("y", "merge"),
    }
    later = {"base": base, "middle": base + 0.5 * (x - base), "x": x}
    assert ends(reconstruct(list(later), measured(later))) == {("base", "middle"), ("middle", "x")}


def test_a_change_that_one_operation_explains_is_next_to_its_parent() -> None:
    """Training on the same text brings a sibling nearer than the parent, and the kind still tells."""
    rng = np.random.default_rng(2)
    base, text = rng.normal(size=500), rng.normal(size=500)
    points = {
        "base": base,
        "adapted": base + 0.1 * text + 0.3 * rng.normal(size=500),
        "tuned": base + 0.09 * text,
    }
    pairs = measured(points, {frozenset(("base", "adapted")): ("adapter_merge",)})
    by_ends = {frozenset((pair.a, pair.b)): pair.distance for pair in pairs}
    assert by_ends[frozenset(("tuned", "adapted"))] < by_ends[frozenset(("base", "adapted"))]
    assert ends(reconstruct(list(points), pairs)) == {("adapted", "base"), ("base", "tuned")}


def test_a_copy_of_the_parent_does_not_get_the_children_of_it() -> None:
    """A quantised copy has an arrow from everything near its parent; the shortest is the one that counts."""
    rng = np.random.default_rng(3)
    base = rng.normal(size=500)
    points = {"base": base, "grid": base + 0.02 * rng.normal(size=500), "tuned": base + 0.01 * rng.normal(size=500)}
    grid = {frozenset(("base", "grid")): ("quantised",), frozenset(("grid", "tuned")): ("quantised",)}
    arrows = {("base", "grid"): Direction.A_TO_B, ("grid", "tuned"): Direction.B_TO_A}
    assert ends(reconstruct(list(points), measured(points, grid, arrows))) == {("base", "grid"), ("base", "tuned")}


def test_duplicates_are_one_node_and_strangers_have_no_edge() -> None:
    pairs = [
        Pair(a="a", b="copy", relation=Relation.IDENTICAL, distance=0.0),
        Pair(a="a", b="child", relation=Relation.DERIVED, kinds=("fine_tune",), distance=0.1),
        Pair(a="child", b="copy", relation=Relation.DERIVED, kinds=("fine_tune", "renamed"), distance=0.1),
        Pair(a="a", b="other", relation=Relation.COMMON_ORIGIN),
        Pair(a="child", b="stranger", relation=Relation.INDEPENDENT),
    ]
    found = reconstruct(["a", "child", "copy", "other", "stranger"], pairs)
    assert found.nodes == (
        Node(name="a", duplicates=("copy",)),
        Node(name="child"),
        Node(name="other"),
        Node(name="stranger"),
    )
    assert [(edge.a, edge.b, edge.kinds) for edge in found.edges] == [("a", "child", ("fine_tune",))]


@pytest.mark.slow
def test_the_lineage_of_real_models(tmp_path: Path) -> None:
    names = ("base", "one", "two", "grandchild", "merge", "stranger")
    base, one, two, grandchild, merge, stranger = (tmp_path / "models" / name for name in names)
    write_model(base, seed=1)
    write_child(one, base, seed=2)
    write_child(two, base, seed=3)
    write_child(grandchild, one, seed=4)
    write_average(merge, one, two)
    write_model(stranger, seed=5)
    (tmp_path / "broken").mkdir()
    paths = [str(tmp_path / "models" / name) for name in names]
    found = matrix([*paths, str(tmp_path / "broken")], Options(threads=1), jobs=2)
    truth = {("base", "one"), ("base", "two"), ("one", "grandchild"), ("one", "merge"), ("two", "merge")}
    edges = [(Path(edge.a).name, Path(edge.b).name, edge.directed) for edge in found.graph.edges]
    assert {frozenset(edge[:2]) for edge in edges} == {frozenset(edge) for edge in truth}
    assert {edge[:2] for edge in edges if edge[2]} <= truth
    assert {edge[:2] for edge in edges if edge[2]} >= {("one", "merge"), ("two", "merge")}
    assert [Path(each.target).name for each in found.errors] == ["broken"]
    assert len(found.pairs) == 15
    assert {pair.relation for pair in found.pairs if "stranger" in pair.a + pair.b} == {Relation.INDEPENDENT}
    write_atomically(tmp_path / "m.json", json.dumps(matrix_to_json(found)))
    assert read_graph(tmp_path / "m.json") == found.graph
