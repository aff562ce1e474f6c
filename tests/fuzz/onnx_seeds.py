"""Seeds of ONNX models: every way in which weights are stored, quantised and used."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Final

import numpy as np

from tests.fingerprints.readers.test_onnx import WRITTEN_BY_ONNX
from tests.onnx_files import (
    attribute,
    constant,
    external,
    graph,
    message,
    model,
    node,
    raw_tensor,
    tensor,
    varint,
)

WEIGHT: Final = np.random.default_rng(0).standard_normal((4, 6), dtype=np.float32)
CODES: Final = np.arange(12, dtype=np.uint8).reshape(3, 4)
STEPS, ZEROS = np.ones(4, np.float32), np.full(4, 3, np.uint8)
Seeds = Iterator[tuple[str, bytes]]


def onnx_seeds() -> Seeds:
    """Names and files."""
    yield "written", base64.b64decode("".join(WRITTEN_BY_ONNX))
    yield "raw", model(graph([], [tensor("w", WEIGHT)]), {"task": "test"})
    floats = raw_tensor("f", (2, 3), 1, message(4, WEIGHT[0].tobytes()))
    small = raw_tensor("s", (2, 3), 3, message(5, b"".join(map(varint, range(6)))))
    outside = external("e", (2, 3), 1, location="model.onnx", offset="0", length="24")
    multiply = node("MatMul", ["x", "f"], ["y"], name="/layer/MatMul")
    made = constant("c", tensor("c", WEIGHT[:2, :3].copy()))
    yield "typed", model(graph([multiply, made], [floats, small, outside]))
    branch = graph([constant("out", tensor("fc.weight", WEIGHT))], [])
    yield "nested", model(graph([node("If", ["c"], ["y"], attribute("then_branch", branch, 6), name="If_0")], []))
    lost = [node("MatMul", ["x", "v"], ["a"]), node("Add", ["fc.bias", "a"], ["b"])]
    yield "lost-names", model(graph(lost, [tensor("v", WEIGHT), tensor("fc.bias", WEIGHT[0])]))
    yield from _quantised()
    yield from _recurrent()


def _quantised() -> Seeds:
    parts = [tensor("w_q", CODES), tensor("s", STEPS), tensor("z", ZEROS)]
    axis, blocks = attribute("axis", 1), [attribute("axis", 0), attribute("block_size", 2)]
    product = node("Gemm", ["x", "d"], ["y"], attribute("transB", 1), name="/layer/Gemm")
    cast = [node("Cast", ["w_q"], ["f"]), node("Cast", ["z"], ["g"]), node("Sub", ["f", "g"], ["c"])]
    ways = {
        "quantised": [node("DequantizeLinear", ["w_q", "s", "z"], ["d"], axis), product],
        "cast": [*cast, node("Mul", ["c", "s"], ["d"]), node("MatMul", ["x", "d"], ["y"])],
        "integer": [
            node("MatMulInteger", ["xq", "w_q", "xz", "z"], ["i"]),
            node("Mul", ["xs", "s"], ["both"]),
            node("Mul", ["i", "both"], ["y"]),
        ],
        "linear": [node("QLinearMatMul", ["x", "xs", "xz", "w_q", "s", "z", "ys", "yz"], ["y"])],
        "gemm": [node("QGemm", ["x", "xs", "xz", "w_q", "s", "z"], ["y"], domain="com.microsoft")],
        "dynamic": [node("DynamicQuantizeMatMul", ["x", "w_q", "s", "z"], ["y"], domain="com.microsoft")],
        "turned": [node("Transpose", ["w_q"], ["t"]), node("DequantizeLinear", ["t", "s", "z"], ["d"]), product],
    }
    for name, nodes in ways.items():
        yield name, model(graph(nodes, parts))
    halves = raw_tensor("w_q", (3, 4), 22, message(9, bytes(range(6))))
    lifted = [node("DequantizeLinear", ["w_q", "s"], ["d"], *blocks), node("MatMul", ["x", "d"], ["y"])]
    yield "halves", model(graph(lifted, [halves, tensor("s", np.ones((2, 4), np.float32))]))
    for bits, block in ((4, 16), (2, 16), (8, 2)):
        yield f"blocks-of-{bits}-bits", _blocks(rows=3, columns=20, bits=bits, block=block)


def _blocks(*, rows: int, columns: int, bits: int, block: int) -> bytes:
    count = -(-columns // block)
    sizes = {"K": columns, "N": rows, "bits": bits, "block_size": block}
    codes = np.arange(rows * count * block * bits // 8, dtype=np.uint8)
    points = np.zeros(rows * -(-count * bits // 8), np.uint8)
    tensors = [tensor("w_Q4", codes), tensor("s", np.ones(rows * count, np.float32)), tensor("z", points)]
    attributes = [attribute(key, value) for key, value in sizes.items()]
    inputs = ["x", "w_Q4", "s", "z"]
    return model(graph([node("MatMulNBits", inputs, ["y"], *attributes, domain="com.microsoft")], tensors))


def _recurrent() -> Seeds:
    for operator, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)):
        w, b = np.ones((2, gates * 2, 3), np.float32), np.ones((2, 4 * gates), np.float32)
        run = node(operator, ["x", "w", "r", "b"], ["y"], name="/rnn/Run")
        yield operator.lower(), model(graph([run], [tensor("w", w), tensor("b", b)]))
