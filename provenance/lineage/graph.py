"""A lineage graph: models, and which come from which, as far as is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fingerprints.errors import UsageError

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """Models of equal weights: the name that stands for them, and the others."""

    name: str
    duplicates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """Two related models, by name. `directed` says that `a` is known to be the parent of `b`; else either may be.

    `distance` is the squared relative distance of their weights, None where it was not measured.
    """

    a: str
    b: str
    directed: bool = False
    kinds: tuple[str, ...] = ()
    distance: float | None = None
    log10_p: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Nodes by name and edges by their ends, both sorted. A model with several incoming edges is a merge of those."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def __post_init__(self) -> None:
        names = {node.name for node in self.nodes}
        for edge in self.edges:
            if edge.a not in names or edge.b not in names:
                raise UsageError(f"an edge joins {edge.a!r} and {edge.b!r}, and one of them is no model of the graph")


def graph_to_json(graph: Graph) -> dict[str, Any]:
    """Plain data for a graph."""
    return {
        "schema_version": SCHEMA_VERSION,
        "nodes": [{"name": node.name, "duplicates": list(node.duplicates)} for node in graph.nodes],
        "edges": [
            {
                "a": edge.a,
                "b": edge.b,
                "directed": edge.directed,
                "kinds": list(edge.kinds),
                "distance": edge.distance,
                "log10_p": edge.log10_p,
            }
            for edge in graph.edges
        ],
    }


def graph_from_json(document: Mapping[str, Any]) -> Graph:
    """The graph that `graph_to_json` wrote.

    Raises
    ------
    UsageError
        When `document` is none, or one of another version.
    """
    version = document.get("schema_version")
    if version != SCHEMA_VERSION:
        raise UsageError(
            f"this is no lineage graph of version {SCHEMA_VERSION}", hint="`provenance matrix -o FILE.json` writes one"
        )
    try:
        nodes = tuple(Node(name=str(n["name"]), duplicates=tuple(map(str, n["duplicates"]))) for n in document["nodes"])
        edges = tuple(
            Edge(
                a=str(e["a"]),
                b=str(e["b"]),
                directed=bool(e["directed"]),
                kinds=tuple(map(str, e["kinds"])),
                distance=None if e["distance"] is None else float(e["distance"]),
                log10_p=None if e["log10_p"] is None else float(e["log10_p"]),
            )
            for e in document["edges"]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"this lineage graph is broken: {error!r}", hint="make it again") from error
    return Graph(nodes=nodes, edges=edges)
