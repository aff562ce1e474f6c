"""What an ONNX graph does with each of its tensors: which are multiplied from the right, and which are quantised.

Operators: https://onnx.ai/onnx/operators/ and
https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from fingerprints.readers.onnx_graph import Graph, Model, Node, TensorProto
from fingerprints.readers.onnx_use import Packed, Quantisation, Recurrent, Use


@dataclass(frozen=True, slots=True, kw_only=True)
class _Value:
    """What a name stands for: a tensor, perhaps transposed, less `zero`; or what an integer tensor was multiplied with
    or looked up by, still to be scaled (`product`); or something times a scale (`factor`); or a layer's result before
    its bias (`output_of` its weight).
    """

    tensor: TensorProto | None = None
    swapped: bool = False
    zero: str | None = None
    product: bool = False
    factor: TensorProto | None = None
    output_of: TensorProto | None = None


Values = ChainMap[str, _Value]

_SAME: Final = {"Identity", "Cast", "CastLike", "QuantizeLinear"}
_RIGHT: Final = {"MatMul": 1, "MatMulInteger": 1, "QLinearMatMul": 3, "DynamicQuantizeMatMul": 1, "FusedMatMul": 1}
_RIGHT_OF: Final = _RIGHT | {"MatMulIntegerToFloat": 1, "Attention": 1, "QAttention": 1}
"""Operators that multiply with a matrix of inputs by outputs, and at which place it is."""
_GEMM: Final = {"Gemm": 1, "QGemm": 3}
_ROWS: Final = {"Gather": 0, "Conv": 1, "ConvInteger": 1, "QLinearConv": 3}
"""Operators whose weight has its units along axis 0, and at which place it is."""
_INTEGERS: Final = frozenset({2, 3, 21, 22})
_QUANTISED: Final = _INTEGERS | {4, 5, 6, 17, 18, 19, 20}
"""Types of quantised weights: integers of 8 and 4 bits; those and wider ones, and floats of 8 bits."""
_CONTRIBUTED: Final = ("Attention", "MatMulNBits")
"""Names that mean a weight in the domain of ONNX Runtime only."""
_WITH_SCALES: Final = {
    "QLinearMatMul": (3, 4, 5, None),
    "QLinearConv": (3, 4, 5, 0),
    "DynamicQuantizeMatMul": (1, 2, 3, None),
    "MatMulIntegerToFloat": (1, 3, 5, None),
    "QAttention": (1, 4, 7, None),
}
"""Operators that take an integer weight with its scale: places of weight, scale and zero point, and the axis."""
_INTEGER: Final = {"MatMulInteger": (1, 3), "ConvInteger": (1, 3)}
"""Operators whose result is scaled by later nodes: places of weight and zero point."""
_RECURRENT: Final = ("LSTM", "GRU", "RNN")


def find_uses(model: Model) -> Mapping[str, Use]:
    """Return what is known of each tensor of a model, by key."""
    uses: dict[str, Use] = {}
    for graph in model.graphs:
        _walk(graph, ChainMap(), uses)
    return uses


def _walk(graph: Graph, outer: Values, uses: dict[str, Use]) -> None:
    values = outer.new_child({name: _Value(tensor=tensor) for name, tensor in graph.tensors.items()})
    for node in graph.nodes:
        for inner in node.graphs:
            _walk(inner, values, uses)
        if node.operator in _CONTRIBUTED and node.domain != "com.microsoft":
            continue
        _note_layout(node, values, uses)
        _note_scales(node, values, uses)
        result = _result(node, values, uses)
        if result is not None and node.outputs:
            values[node.outputs[0]] = result


def _use(uses: dict[str, Use], tensor: TensorProto) -> Use:
    return uses.setdefault(tensor.key, Use())


def _note_layout(node: Node, values: Values, uses: dict[str, Use]) -> None:
    """Note which axis of its weight a node takes for its units."""
    operator = node.operator
    if operator in _RIGHT_OF:
        value, first = _weight(values, node.input(_RIGHT_OF[operator])), not node.integer("transB", 0)
        left = _weight(values, node.input(0)) if operator == "MatMul" else None
        if left is not None and left.tensor is not None:
            _use(uses, left.tensor).columns_first.add(left.swapped)
    elif operator in _GEMM:
        value, first = _weight(values, node.input(_GEMM[operator])), not node.integer("transB", 0)
        # GPT-2's Conv1D is the one module that keeps inputs along axis 0, and it is exported as a Gemm with its own
        # weight; where a transposition was folded into a weight, its name was lost.
        if first and value is not None and value.tensor is not None and value.tensor.name.endswith(".weight"):
            first = False
    elif operator in _ROWS:
        value, first = (
            _weight(values, node.input(_ROWS[operator])),
            bool(operator == "Gather" and node.integer("axis", 0)),
        )
    else:
        return
    if value is not None and value.tensor is not None:
        use = _use(uses, value.tensor)
        use.columns_first.add(first != value.swapped)
        if operator not in _ROWS:
            use.node = node.name


def _note_scales(node: Node, values: Values, uses: dict[str, Use]) -> None:
    """Note scales that a node takes together with its weight, and weights of recurrent layers."""
    if node.operator in _WITH_SCALES:
        weight, scale, zero, axis = _WITH_SCALES[node.operator]
        _quantised(node, values, uses, weight, scale, zero, axis)
    elif node.operator == "QGemm":
        _quantised(node, values, uses, 3, 4, 5, 0 if node.integer("transB", 0) else None)
    elif node.operator == "MatMulNBits":
        matrix, scales = _tensor(values, node.input(1)), _tensor(values, node.input(2))
        if matrix is not None and scales is not None:
            zeros = _tensor(values, node.input(3))
            use = _use(uses, matrix)
            use.node = node.name
            use.packed = Packed(
                scales=scales.key,
                zeros=None if zeros is None else zeros.key,
                rows=node.integer("N", 0),
                columns=node.integer("K", 0),
                bits=node.integer("bits", 4),
                block=node.integer("block_size", 0),
            )
    elif node.operator in _RECURRENT:
        for part, place in (("W", 1), ("R", 2), ("B", 3)):
            tensor = _tensor(values, node.input(place))
            if tensor is not None:
                _use(uses, tensor).recurrent = Recurrent(node=node.name, operator=node.operator, part=part)


def _quantised(
    node: Node, values: Values, uses: dict[str, Use], weight: int, scale: int, zero: int, axis: int | None
) -> None:
    matrix, scales, zeros = (_tensor(values, node.input(place)) for place in (weight, scale, zero))
    if matrix is not None and scales is not None:
        known = Quantisation(scale=scales.key, zero=None if zeros is None else zeros.key, axis=axis)
        _use(uses, matrix).quantised = known


def _weight(values: Values, name: str) -> _Value | None:
    """What a name stands for, if that is a tensor."""
    value = values.get(name) if name else None
    return None if value is None or value.tensor is None or value.product else value


def _tensor(values: Values, name: str) -> TensorProto | None:
    value = _weight(values, name)
    return None if value is None else value.tensor


def _result(node: Node, values: Values, uses: dict[str, Use]) -> _Value | None:
    """What the first output of a node stands for, where that is still a tensor of the model."""
    first = values.get(node.input(0))
    if node.operator in _SAME:
        return first
    if node.operator == "Transpose":
        # Without `perm` all axes are reversed.
        swaps = node.integers.get("perm", (1, 0)) == (1, 0)
        return replace(first, swapped=not first.swapped) if first is not None and swaps else None
    if node.operator == "DequantizeLinear":
        if first is None or first.tensor is None or first.tensor.data_type not in _QUANTISED:
            return first
        scale, zero = _tensor(values, node.input(1)), _tensor(values, node.input(2))
        if scale is not None and not first.swapped:
            _use(uses, first.tensor).quantised = Quantisation(
                scale=scale.key,
                zero=None if zero is None else zero.key,
                axis=None if first.product else node.integer("axis", 1),
                block=node.integer("block_size", 0),
            )
        return None if first.product else first
    if node.operator == "Gather" and first is not None and _is_integer(first):
        return replace(first, product=True)
    if node.operator in _INTEGER:
        at, place = _INTEGER[node.operator]
        matrix, zero = _tensor(values, node.input(at)), _tensor(values, node.input(place))
        return None if matrix is None else _Value(tensor=matrix, zero=None if zero is None else zero.key, product=True)
    if node.operator == "Sub":
        offset = _tensor(values, node.input(1))
        if first is not None and (first.product or _is_integer(first)) and offset is not None:
            return replace(first, zero=offset.key)
    if node.operator == "Mul":
        return _scaled(node, values, uses)
    if node.operator in ("MatMul", "MatMulNBits", "MatMulIntegerToFloat", "DynamicQuantizeMatMul"):
        weight = _tensor(values, node.input(1))
        return None if weight is None else _Value(output_of=weight)
    if node.operator == "Add":
        _note_bias(node, values, uses)
    elif node.operator == "Gemm":
        weight, bias = _tensor(values, node.input(1)), _tensor(values, node.input(2))
        if weight is not None and bias is not None:
            _use(uses, weight).bias = bias.key
    return None


def _note_bias(node: Node, values: Values, uses: dict[str, Use]) -> None:
    """Note which vector is added to the product with a weight."""
    for place in (0, 1):
        product, bias = values.get(node.input(place)), _tensor(values, node.input(1 - place))
        if product is not None and product.output_of is not None and bias is not None and len(bias.dims) == 1:
            _use(uses, product.output_of).bias = bias.key


def _scaled(node: Node, values: Values, uses: dict[str, Use]) -> _Value | None:
    """The result of a multiplication: a dequantised weight, a scaled product, or a scale times something unknown."""
    sides = [values.get(node.input(0)), values.get(node.input(1))]
    for value, other in (sides, sides[::-1]):
        if value is None or other is None or value.tensor is None or not (value.product or _is_integer(value)):
            continue
        scale = other.factor or (None if _is_integer(other) or other.product else other.tensor)
        if scale is not None and not value.swapped:
            # A product with a convolution's weight is scaled along its channels, which are the weight's axis 0.
            axis = 0 if value.product and len(value.tensor.dims) > 2 else None
            _use(uses, value.tensor).quantised = Quantisation(scale=scale.key, zero=value.zero, axis=axis)
            return _Value(output_of=value.tensor) if value.product else replace(value, zero=None)
    known = [value for value in sides if value is not None and value.tensor is not None and not value.product]
    if len(known) == 1 and not _is_integer(known[0]):
        return _Value(factor=known[0].tensor)
    return None


def _is_integer(value: _Value) -> bool:
    return value.tensor is not None and not value.product and value.tensor.data_type in _INTEGERS
