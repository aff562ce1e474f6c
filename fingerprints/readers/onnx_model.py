"""Parsing an ONNX model as far as it tells about weights: its graphs, their tensors and what uses them.

Format: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Final

from fingerprints.errors import LimitExceeded
from fingerprints.readers.name_length import cut
from fingerprints.readers.onnx_graph import Graph, Model, Node, TensorProto
from fingerprints.readers.onnx_wire import LENGTH, Field, Wire
from fingerprints.readers.quoting import quoted
from fingerprints.readers.reader import MAX_RANK

MAX_DEPTH: Final = 32
"""Graphs inside of graphs."""
MAX_ITEMS: Final = 400_000
"""Nodes and tensors of one model."""

_MAX_INTEGERS: Final = 64
"""Integers of an attribute that are kept."""
_EXTERNAL: Final = 1
_TYPED: Final = (4, 5, 7, 10, 11)


_SELF: Final = {2: "producer_name", 3: "producer_version", 4: "domain"}


def parse_model(wire: Wire) -> Model:
    """Parse a model without reading the data of its tensors.

    Raises
    ------
    CorruptCheckpoint
        When it is not valid.
    LimitExceeded
        When graphs are nested deeper than `MAX_DEPTH`.
    """
    model = Model()
    for each in wire.fields(0, wire.source.size):
        if each.number in _SELF:
            model.metadata[_SELF[each.number]] = wire.text(each)
        elif each.number == 7:
            model.graphs.append(_graph(wire, _message(wire, each), "", 0, model))
        elif each.number == 14:
            key, value = _entry(wire, each)
            model.metadata[key] = value
        elif each.number == 25:
            name = next((wire.text(part) for part in wire.fields(each.start, each.stop) if part.number == 1), "")
            model.graphs.append(_graph(wire, _message(wire, each), f"{name}.", 0, model, node=7, initializer=0))
    return model


def _graph(
    wire: Wire, whole: Field, prefix: str, depth: int, model: Model, *, node: int = 1, initializer: int = 5
) -> Graph:
    """Parse a graph, or a function, whose nodes are in another field and which has no initialisers."""
    if depth > MAX_DEPTH:
        path = wire.source.path
        raise LimitExceeded(
            f"{quoted(str(path))} has graphs inside of graphs, more than {MAX_DEPTH} deep",
            path=path,
            hint="no exporter nests them as deep; the file is damaged or hostile",
            offset=whole.start,
            limit=MAX_DEPTH,
            actual=depth,
        )
    tensors: dict[str, TensorProto] = {}
    nodes: list[Node] = []
    titles: set[str] = set()
    for each in wire.fields(whole.start, whole.stop):
        if each.number in (node, initializer):
            model.items += 1
            if model.items > MAX_ITEMS:
                raise _too_many(wire, each)
        if each.number == initializer:
            tensor = _tensor(wire, _message(wire, each))
            if tensor.name in tensors:
                raise wire.corrupt(each.start, f"the initialiser {quoted(tensor.name)} occurs twice in a graph")
            tensors[tensor.name] = replace(tensor, key=prefix + tensor.name)
        elif each.number == node:
            nodes.append(_node(wire, _message(wire, each), prefix, len(nodes), titles, depth, model))
        elif each.number == 15 and initializer:
            model.sparse += 1
    own_names = Counter(known.constant.name for known in nodes if known.constant is not None)
    own_names.update(tensors.keys())
    own_names.update({name for known in nodes for name in known.outputs})
    for known in nodes:
        constant, name = known.constant, known.outputs[0] if known.outputs else ""
        if constant is None or not name or name in tensors:
            continue
        # Exporters keep the parameter's name on the tensor and give the output one of their own; some name all alike.
        kept = constant.name if constant.name and own_names[constant.name] == 1 else name
        tensors[name] = replace(constant, name=name, key=prefix + kept, listed=_is_large(constant.dims))
    return Graph(tensors=tensors, nodes=tuple(nodes))


def _too_many(wire: Wire, each: Field) -> LimitExceeded:
    path = wire.source.path
    return LimitExceeded(
        f"{quoted(str(path))} has more than {MAX_ITEMS} nodes and tensors",
        path=path,
        hint="give the weights that it was exported from",
        offset=each.start,
        limit=MAX_ITEMS,
        actual=MAX_ITEMS + 1,
    )


def _is_large(dims: tuple[int, ...]) -> bool:
    return len(dims) >= 2 or any(length >= 64 for length in dims)


def _node(wire: Wire, whole: Field, prefix: str, place: int, titles: set[str], depth: int, model: Model) -> Node:
    inputs: list[str] = []
    outputs: list[str] = []
    texts = {3: "", 4: "", 7: ""}
    attributes: list[Field] = []
    for each in wire.fields(whole.start, whole.stop):
        if each.number == 1:
            inputs.append(wire.text(each))
        elif each.number == 2:
            outputs.append(wire.text(each))
        elif each.number in texts:
            texts[each.number] = wire.text(each)
        elif each.number == 5:
            attributes.append(_message(wire, each))
    integers: dict[str, tuple[int, ...]] = {}
    graphs: list[Graph] = []
    constant: TensorProto | None = None
    title = texts[3] if texts[3] and texts[3] not in titles else f"{texts[3] or texts[4]}_{place}"
    titles.add(title)
    for attribute in attributes:
        name, numbers, inner, tensor = _attribute(wire, attribute)
        if numbers:
            integers[name] = numbers
        for at, graph in enumerate(inner):
            label = f"{prefix}{title}.{name}." if len(inner) == 1 else f"{prefix}{title}.{name}.{at}."
            graphs.append(_graph(wire, graph, cut(label), depth + 1, model))
        if tensor is not None and texts[4] == "Constant" and name == "value":
            constant = _tensor(wire, tensor)
    return Node(
        operator=texts[4],
        domain=texts[7],
        name=prefix + title,
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        integers=integers,
        graphs=tuple(graphs),
        constant=constant,
    )


def _attribute(wire: Wire, whole: Field) -> tuple[str, tuple[int, ...], list[Field], Field | None]:
    """Name, integers, graphs and tensor of an attribute."""
    name = ""
    numbers: list[int] = []
    graphs: list[Field] = []
    tensor: Field | None = None
    for each in wire.fields(whole.start, whole.stop):
        if each.number == 1:
            name = wire.text(each)
        elif each.number in (3, 8) and len(numbers) < _MAX_INTEGERS:
            numbers += wire.numbers(each, _MAX_INTEGERS)
        elif each.number == 5:
            tensor = _message(wire, each)
        elif each.number in (6, 11):
            graphs.append(_message(wire, each))
    return name, tuple(numbers), graphs, tensor


def _tensor(wire: Wire, whole: Field) -> TensorProto:
    dims: list[int] = []
    data_type = location = 0
    name = ""
    raw: Field | None = None
    typed: list[Field] = []
    external: dict[str, str] = {}
    segmented = False
    for each in wire.fields(whole.start, whole.stop):
        if each.number == 1:
            if len(dims) <= MAX_RANK:
                dims += wire.numbers(each, MAX_RANK)
        elif each.number == 2:
            data_type = wire.number(each)
        elif each.number == 3:
            segmented = True
        elif each.number in _TYPED:
            typed = [*typed[:1], each]
        elif each.number == 8:
            name = wire.text(each)
        elif each.number == 9:
            raw = _message(wire, each)
        elif each.number == 13:
            key, value = _entry(wire, each)
            external[key] = value
        elif each.number == 14:
            location = wire.number(each)
    return TensorProto(
        key=name,
        name=name,
        dims=tuple(dims),
        data_type=data_type,
        raw=raw,
        typed=tuple(typed),
        external=external if location == _EXTERNAL else None,
        segmented=segmented,
    )


def _entry(wire: Wire, whole: Field) -> tuple[str, str]:
    """Key and value of a StringStringEntryProto."""
    found = {1: "", 2: ""}
    for each in wire.fields(whole.start, _message(wire, whole).stop):
        if each.number in found:
            found[each.number] = wire.text(each)
    return found[1], found[2]


def _message(wire: Wire, each: Field) -> Field:
    if each.wire != LENGTH:
        raise wire.corrupt(
            each.start, f"field {each.number} at byte {each.start} is no message (wire type {each.wire})"
        )
    return each
