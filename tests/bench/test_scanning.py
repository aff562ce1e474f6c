"""What the bench of scans makes of answers: graphs held against a lineage, and a Hub with faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.scanning.town import build, open_town
from bench.scanning.tree import Lineage, scored
from provenance.hub import Hub
from provenance.hub.query import HubQuery
from provenance.lineage.graph import Edge, Graph, Node

TRUE = Lineage(
    edges=frozenset({("base", "tuned"), ("base", "pruned"), ("tuned", "merge"), ("other", "merge")}),
    shaped=frozenset({("base", "pruned"), ("tuned", "merge"), ("other", "merge")}),
    optional=frozenset({("base", "merge")}),
    equal={"copy": "base", "copy of copy": "copy"},
)
NODES = tuple(Node(name=name) for name in ("copy", "merge", "other", "pruned", "tuned"))
RIGHT = (
    Edge(a="copy", b="tuned"),
    Edge(a="copy", b="pruned", directed=True),
    Edge(a="tuned", b="merge", directed=True),
    Edge(a="other", b="merge", directed=True),
)


@pytest.mark.parametrize(
    ("edges", "f1", "directed"),
    [
        (RIGHT, 1.0, 1.0),
        ((*RIGHT, Edge(a="copy", b="merge", directed=True)), 1.0, 1.0),
        (RIGHT[:3], 6 / 7, 4 / 5),
        ((*RIGHT, Edge(a="pruned", b="tuned")), 8 / 9, 1.0),
        ((RIGHT[0], Edge(a="pruned", b="copy", directed=True), *RIGHT[2:]), 1.0, 4 / 6),
        ((Edge(a="copy", b="tuned", directed=True), Edge(a="copy", b="pruned"), *RIGHT[2:]), 1.0, 4 / 5),
        ((), 0.0, 0.0),
    ],
)
def test_edges_and_arrows_are_counted(edges: tuple[Edge, ...], f1: float, directed: float) -> None:
    found = scored(Graph(nodes=NODES, edges=edges), TRUE, {})
    assert found.data["f1"] == pytest.approx(f1)
    assert found.data["f1_directed"] == pytest.approx(directed)


def test_copies_count_as_what_they_are_copies_of() -> None:
    nodes = (Node(name="base", duplicates=("tuned",)), Node(name="copy of copy"))
    found = scored(Graph(nodes=nodes, edges=(Edge(a="base", b="copy of copy"),)), TRUE, {})
    (folding,) = (check for check in found.checks if "copies" in check.name)
    assert (folding.observed, folding.passed) == ("1, 1", False)


def test_what_is_equal_but_for_its_packing_is_one_or_two_nodes_and_a_stage_on_the_way_is_a_parent() -> None:
    true = Lineage(
        edges=frozenset({("base", "packed"), ("base", "healed"), ("base", "cut")}),
        shaped=frozenset({("base", "healed")}),
        optional=frozenset(),
        equal={"unpacked": "packed"},
        twins=frozenset({"packed", "unpacked"}),
        instead={("base", "healed"): ("cut", "healed")},
    )
    nodes = tuple(Node(name=name) for name in ("base", "cut", "healed", "packed", "unpacked"))
    edges = (Edge(a="base", b="packed"), Edge(a="packed", b="unpacked"), Edge(a="base", b="cut"))
    for stage in ("base", "cut"):
        healed = Edge(a=stage, b="healed", directed=True)
        found = scored(Graph(nodes=nodes, edges=(*edges, healed)), true, {})
        assert (found.data["f1"], found.data["f1_directed"]) == (1.0, 1.0)
        assert all(check.passed for check in found.checks)
    turned = Edge(a="healed", b="cut", directed=True)
    assert scored(Graph(nodes=nodes, edges=(*edges, turned)), true, {}).data["f1_directed"] == 0.0


@pytest.mark.slow
def test_a_town_has_as_many_faults_as_it_should_and_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = build(tmp_path, 40, faults=0.1)
    bad = [name for name, truth in town.truth.items() if truth.startswith("!")]
    assert (len(town.repositories), len(bad)) == (40, 4)
    assert set(town.truth.values()) > {"", "base-1"}
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with open_town(town) as (url, _), Hub() as hub:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
        there = {name for name, place in town.repositories.items() if place != Path()}
        assert set(hub.models(HubQuery())) == there
