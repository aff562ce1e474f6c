"""A lineage graph as text: one tree a family, drawn from its likeliest root."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from provenance.lineage.graph import Edge, Graph, Node


def as_text(graph: Graph, *, ascii_only: bool = False) -> str:
    """Draw `graph`: `->` where the parent is known, `--` where not.

    A family is drawn from a model that comes from no other, the one with the most relatives if there are several. A
    model with several parents stands under the first, and is mentioned under the others.
    """
    glyphs = ("|-", "`-", "| ", "  ") if ascii_only else ("├─", "└─", "│ ", "  ")
    return "".join(f"{line}\n" for line in _Drawing(graph, glyphs).lines())


class _Drawing:
    """The walk through a graph."""

    def __init__(self, graph: Graph, glyphs: tuple[str, str, str, str]) -> None:
        self._nodes = {node.name: node for node in graph.nodes}
        self._glyphs = glyphs
        self._around: defaultdict[str, list[Edge]] = defaultdict(list)
        for edge in graph.edges:
            self._around[edge.a].append(edge)
            self._around[edge.b].append(edge)
        self._children = {edge.b for edge in graph.edges if edge.directed}
        self._drawn: set[str] = set()

    def lines(self) -> Iterator[str]:
        """All families, the largest roots first; models without relatives last."""
        order = sorted(self._nodes, key=lambda name: (name in self._children, -len(self._around[name]), name))
        for name in order:
            if name not in self._drawn:
                self._drawn.add(name)
                yield self._title(self._nodes[name])
                yield from self._below(name)

    def _below(self, root: str) -> Iterator[str]:
        """Everything that hangs on `root`, depth first; with a stack, for chains may be long."""
        tee, corner, bar, blank = self._glyphs
        stack = [(root, iter(self._ahead(root)), "")]
        while stack:
            name, edges, indent = stack[-1]
            edge, last = next(edges, (None, True))
            if edge is None:
                stack.pop()
                continue
            other = edge.b if edge.a == name else edge.a
            mark = "->" if edge.directed else "--"
            seen = other in self._drawn
            words = f" ({_on_one_line(', '.join(edge.kinds))})" if edge.kinds else ""
            again = " (above)" if seen else ""
            yield f"{indent}{corner if last else tee}{mark} {self._title(self._nodes[other])}{words}{again}"
            if not seen:
                self._drawn.add(other)
                stack.append((other, iter(self._ahead(other)), indent + (blank if last else bar) + "   "))

    def _ahead(self, name: str) -> list[tuple[Edge | None, bool]]:
        """Edges that lead on from `name`, and whether each is the last: arrows along their way, others if they are new.

        Another parent of a merge is no way on: it is drawn where it belongs, and mentions the merge.
        """
        edges = [
            edge
            for edge in self._around[name]
            if (edge.a == name if edge.directed else {edge.a, edge.b} - {name} - self._drawn)
        ]
        return [(edge, place == len(edges) - 1) for place, edge in enumerate(edges)]

    def _title(self, node: Node) -> str:
        return " = ".join(map(_on_one_line, (node.name, *node.duplicates)))


def _on_one_line(text: str) -> str:
    """A name without what would draw branches of its own, such as a line break."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
