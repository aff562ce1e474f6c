"""Graphs as other programs read them."""

from __future__ import annotations

import json
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import networkx
import pytest

from fingerprints.errors import UsageError
from provenance.lineage.drawing import as_text
from provenance.lineage.formats import as_dot, as_graphml, as_json
from provenance.lineage.graph import Edge, Graph, Node, graph_from_json
from provenance.lineage.sources import graph_of_rows, read_graph
from provenance.scan.ledger import Ledger
from provenance.scan.row import Row, State
from tests.results import HOSTILE

GRAPH = Graph(
    nodes=(
        Node(name="base", duplicates=("copy", "other copy")),
        Node(name='a "quoted" \\ <name>&'),
        Node(name=HOSTILE),
        Node(name="merge"),
    ),
    edges=(
        Edge(a="base", b='a "quoted" \\ <name>&', directed=True, kinds=("fine_tune",), distance=0.5, log10_p=-9.0),
        Edge(a="base", b=HOSTILE, kinds=("quantised", "container")),
        Edge(a='a "quoted" \\ <name>&', b="merge", directed=True, kinds=("merged",)),
        Edge(a=HOSTILE, b="merge", directed=True, kinds=("merged",)),
    ),
)


def test_json_reads_back() -> None:
    assert graph_from_json(json.loads(as_json(GRAPH))) == GRAPH


def test_graphml_is_what_networkx_reads() -> None:
    found = networkx.parse_graphml(as_graphml(GRAPH))
    names = networkx.get_node_attributes(found, "name")
    assert len(names) == 4
    assert names["n1"] == 'a "quoted" \\ <name>&'
    assert found.nodes["n0"]["duplicates"] == "copy;other copy"
    assert found.edges["n0", "n1"] == {
        "directed": True,
        "kinds": "fine_tune",
        "distance": 0.5,
        "log10_p": -9.0,
    }
    assert found.edges["n0", "n2"]["directed"] is False
    assert set(found.predecessors("n3")) == {"n1", "n2"}


@pytest.mark.skipif(shutil.which("dot") is None, reason="graphviz is not installed")
def test_dot_is_what_graphviz_reads() -> None:
    done = subprocess.run(["dot", "-Tplain"], input=as_dot(GRAPH).encode(), capture_output=True, check=True)
    assert done.stdout.count(b"\nnode ") == 4
    assert done.stdout.count(b"\nedge ") == 4


def test_dot_has_no_way_out_of_a_string() -> None:
    lines = as_dot(GRAPH).splitlines()
    assert '  n1 [label="a \\"quoted\\" \\\\ <name>&"];' in lines
    assert '  n0 -> n2 [label="quantised, container", dir=none];' in lines
    # One line for each node and edge, whatever line breaks a name has.
    assert len(lines) == 4 + 4 + 4


def test_text_has_each_model_once_and_mentions_it_again() -> None:
    plain = Graph(
        nodes=tuple(Node(name=name) for name in ("alone", "base", "m", "x", "y")),
        edges=(
            Edge(a="base", b="x", kinds=("fine_tune",)),
            Edge(a="base", b="y", directed=True),
            Edge(a="x", b="m", directed=True, kinds=("merged",)),
            Edge(a="y", b="m", directed=True, kinds=("merged",)),
        ),
    )
    assert as_text(plain, ascii_only=True).splitlines() == [
        "base",
        "|--- x (fine_tune)",
        "|    `--> m (merged)",
        "`--> y",
        "     `--> m (merged) (above)",
        "alone",
    ]
    assert len(as_text(GRAPH).splitlines()) == 5


def test_a_chain_of_any_length_is_drawn() -> None:
    names = [f"m{number:05}" for number in range(3000)]
    chain = Graph(
        nodes=tuple(Node(name=name) for name in names),
        edges=tuple(Edge(a=a, b=b) for a, b in pairwise(names)),
    )
    assert len(as_text(chain).splitlines()) == 3000


def test_rows_become_edges_and_copies_are_folded() -> None:
    def row(target: str, relation: str, base: str | None, direction: str | None = None) -> Row:
        return Row(target=target, state=State.DONE, relation=relation, base=base, direction=direction)

    found = graph_of_rows(
        [
            row("copy", "identical", "base"),
            row("child", "derived", "base", "base_to_target"),
            row("parent", "derived", "base", "target_to_base"),
            row("some", "derived", "base", "undirected"),
            row("cousin", "common_origin", "base"),
            row("stranger", "independent", None),
            Row(target="broken", state=State.ERROR),
        ]
    )
    assert {(edge.a, edge.b, edge.directed) for edge in found.edges} == {
        ("base", "child", True),
        ("parent", "base", True),
        ("base", "some", False),
    }
    assert {node.name: node.duplicates for node in found.nodes} == {
        "base": ("copy",),
        "child": (),
        "cousin": (),
        "parent": (),
        "some": (),
        "stranger": (),
    }


def test_a_results_file_is_recognised(tmp_path: Path) -> None:
    with Ledger(tmp_path / "r.db", write=True) as ledger:
        ledger.add(["x"])
        ledger.finish(Row(target="x", state=State.DONE, relation="derived", base="b"))
    assert [(edge.a, edge.b) for edge in read_graph(tmp_path / "r.db").edges] == [("b", "x")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "neither"),
        (b"[" * 100_000, "neither"),
        (b"[]", "no lineage"),
        (b"{}", "version"),
        (b'{"schema_version": 1}', "broken"),
        (b'{"schema_version": 1, "nodes": [], "edges": [{"a": "x", "b": "y"}]}', "broken"),
        (
            b'{"schema_version": 1, "nodes": [], "edges": [{"a": "x", "b": "y", "directed": 1, "kinds": [],'
            b' "distance": null, "log10_p": null}]}',
            "no model",
        ),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: bytes, reason: str) -> None:
    (tmp_path / "f").write_bytes(text)
    with pytest.raises(UsageError, match=reason):
        read_graph(tmp_path / "f")
