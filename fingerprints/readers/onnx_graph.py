"""The values of an ONNX model: its graphs, their nodes and their tensors, without data.

Format: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from fingerprints.readers.onnx_wire import Field


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorProto:
    """A tensor as it stands in the file: `raw`, or `typed` by number of the field, or `external`, says where.

    `key` names it in the whole model, `name` in its graph. `dims` may hold anything; of the pieces in `typed` only two
    are kept, as writers make one; `listed` is False for constants of a few elements, which are parameters of operators
    rather than of the model.
    """

    key: str
    name: str
    dims: tuple[int, ...]
    data_type: int
    raw: Field | None
    typed: tuple[Field, ...]
    external: Mapping[str, str] | None
    segmented: bool = False
    listed: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Nodes in order, and the tensors of initialisers and constants by the name that nodes use."""

    tensors: Mapping[str, TensorProto]
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node: its operator, what goes in and out (empty names are left-out inputs), and its integer attributes."""

    operator: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    integers: Mapping[str, tuple[int, ...]]
    graphs: tuple[Graph, ...]
    constant: TensorProto | None

    def integer(self, name: str, default: int) -> int:
        """An integer attribute."""
        return next(iter(self.integers.get(name, ())), default)

    def input(self, place: int) -> str:
        """The name of an input, empty where there is none."""
        return self.inputs[place] if place < len(self.inputs) else ""


@dataclass(slots=True, kw_only=True)
class Model:
    """The graph of a model and those of its functions, in the order of the file, and what it says about itself."""

    graphs: list[Graph] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    sparse: int = 0
    """Sparse tensors, which are not read."""
    items: int = 0
    """Nodes and tensors so far."""

    def tensors(self) -> Iterator[TensorProto]:
        """All tensors of all graphs."""
        return (tensor for graph in self.graphs for tensor in _tensors(graph))


def _tensors(graph: Graph) -> Iterator[TensorProto]:
    yield from graph.tensors.values()
    for node in graph.nodes:
        for inner in node.graphs:
            yield from _tensors(inner)
