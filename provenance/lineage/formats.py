"""A lineage graph as JSON, GraphML and DOT."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import Final

from provenance.lineage.graph import Graph, graph_to_json

NAMESPACE: Final = "http://graphml.graphdrawing.org/xmlns"
_KEYS: Final = (
    ("name", "node", "string"),
    ("duplicates", "node", "string"),
    ("directed", "edge", "boolean"),
    ("kinds", "edge", "string"),
    ("distance", "edge", "double"),
    ("log10_p", "edge", "double"),
)


def as_json(graph: Graph) -> str:
    """Nodes and edges, as `graph_from_json` reads them."""
    return json.dumps(graph_to_json(graph), indent=2) + "\n"


def as_graphml(graph: Graph) -> str:
    """GraphML. All edges count as directed, for few programs read mixed graphs; their datum `directed` has the truth.

    See http://graphml.graphdrawing.org/primer/graphml-primer.html.
    """
    root = ET.Element("graphml", xmlns=NAMESPACE)
    for name, holder, kind in _KEYS:
        ET.SubElement(root, "key", {"id": name, "for": holder, "attr.name": name, "attr.type": kind})
    drawn = ET.SubElement(root, "graph", id="lineage", edgedefault="directed")
    ids = {node.name: f"n{number}" for number, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        element = ET.SubElement(drawn, "node", id=ids[node.name])
        _data(element, {"name": node.name, "duplicates": ";".join(node.duplicates)})
    for edge in graph.edges:
        element = ET.SubElement(drawn, "edge", source=ids[edge.a], target=ids[edge.b])
        number = {"distance": edge.distance, "log10_p": edge.log10_p}
        known = {name: repr(value) for name, value in number.items() if value is not None}
        _data(element, {"directed": str(edge.directed).lower(), "kinds": ";".join(edge.kinds), **known})
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def as_dot(graph: Graph) -> str:
    """Graphviz's language: a directed graph, in which edges without an arrow are those whose way is not known.

    See https://graphviz.org/doc/info/lang.html.
    """
    lines = ["digraph lineage {", "  rankdir=LR;", "  node [shape=box];"]
    ids = {node.name: f"n{number}" for number, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        lines.append(f"  {ids[node.name]} [label={_quoted(' = '.join((node.name, *node.duplicates)))}];")
    for edge in graph.edges:
        way = "" if edge.directed else ", dir=none"
        lines.append(f"  {ids[edge.a]} -> {ids[edge.b]} [label={_quoted(', '.join(edge.kinds))}{way}];")
    return "\n".join([*lines, "}"]) + "\n"


def _data(element: ET.Element, values: dict[str, str]) -> None:
    for name, value in values.items():
        # XML has no way to write most control characters, and none of them belongs into a name.
        clean = "".join(each if each >= " " and each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in value)
        ET.SubElement(element, "data", key=name).text = clean


def _quoted(text: str) -> str:
    """A string of DOT: backslashes would begin escapes."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in plain) + '"'
