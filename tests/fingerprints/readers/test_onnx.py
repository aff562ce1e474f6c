"""ONNX models give the weights that a PyTorch module would hold, wherever and however they are stored."""

from __future__ import annotations

import base64
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import torch

from fingerprints.checkpoint import Array, Checkpoint
from fingerprints.readers import open_checkpoint
from tests.onnx_files import (
    attribute,
    constant,
    external,
    graph,
    message,
    model,
    node,
    number,
    raw_tensor,
    tensor,
    varint,
)

LEAVES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
RNG = np.random.default_rng(5)
WEIGHT = RNG.standard_normal((6, 10)).astype(np.float32)


def opened(tmp_path: Path, nodes: list[bytes], tensors: list[bytes]) -> Checkpoint:
    path = tmp_path / "model.onnx"
    path.write_bytes(model(graph(nodes, tensors), {"task": "test"}))
    return open_checkpoint(path)


def open_files() -> list[str]:
    """What the handles of this process lead to, where the system tells."""
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("the system does not list handles")
    return [str(entry.readlink()) for entry in folder.iterdir() if entry.is_symlink()]


def whole(checkpoint: Checkpoint, name: str) -> Array:
    """All elements; rows, single rows and blocks must agree about them."""
    info = checkpoint.tensors[name]
    count = info.shape[0] if info.shape else 1
    rows = checkpoint.rows(name, 0, count)
    blocks = np.concatenate(list(checkpoint.blocks(name, 64)))
    np.testing.assert_array_equal(np.asarray(rows).ravel(), blocks)
    some = np.arange(0, count, 2)
    np.testing.assert_array_equal(checkpoint.take(name, some), rows.reshape(count, *info.shape[1:])[some])
    return rows.reshape(info.shape)


@pytest.mark.parametrize("kind", [np.float32, np.float16, ml_dtypes.bfloat16, np.float64, np.int64, np.int8])
def test_raw_data_of_every_common_type(tmp_path: Path, kind: type[np.generic]) -> None:
    values = (WEIGHT * 10).astype(kind)
    checkpoint = opened(tmp_path, [], [tensor("w", values)])
    assert checkpoint.origin.format == "onnx"
    assert checkpoint.origin.metadata == {"producer_name": "pytorch", "task": "test"}
    found = whole(checkpoint, "w")
    assert found.dtype == values.dtype
    np.testing.assert_array_equal(found, values)


def test_typed_fields(tmp_path: Path) -> None:
    halves = WEIGHT.astype(np.float16)
    small = (WEIGHT * 20).astype(np.int8)
    long = RNG.integers(-(1 << 62), 1 << 62, size=200_000)
    tensors = [
        raw_tensor("floats", (6, 10), 1, message(4, WEIGHT.tobytes())),
        raw_tensor("halves", (6, 10), 10, message(5, b"".join(map(varint, halves.view(np.uint16).ravel().tolist())))),
        raw_tensor("small", (6, 10), 3, message(5, b"".join(map(varint, small.ravel().tolist())))),
        raw_tensor("long", (1000, 200), 7, message(7, b"".join(map(varint, long.tolist())))),
        raw_tensor("double", (6, 10), 11, message(10, WEIGHT.astype(np.float64).tobytes())),
    ]
    checkpoint = opened(tmp_path, [], tensors)
    np.testing.assert_array_equal(whole(checkpoint, "floats"), WEIGHT)
    np.testing.assert_array_equal(whole(checkpoint, "halves"), halves)
    np.testing.assert_array_equal(whole(checkpoint, "small"), small)
    np.testing.assert_array_equal(checkpoint.rows("long", 0, 1000).ravel(), long)
    np.testing.assert_array_equal(checkpoint.take("long", [3, 777]), long.reshape(1000, 200)[[3, 777]])
    np.testing.assert_array_equal(whole(checkpoint, "double"), WEIGHT.astype(np.float64))


@pytest.mark.parametrize(
    ("nodes", "rows_first"),
    [
        ([node("MatMul", ["x", "w"], ["y"])], False),
        ([node("MatMul", ["w", "x"], ["y"])], True),
        ([node("Gemm", ["x", "w", "b"], ["y"])], False),
        ([node("Gemm", ["x", "w", "b"], ["y"], attribute("transB", 1))], True),
        ([node("Transpose", ["w"], ["t"], attribute("perm", [1, 0])), node("MatMul", ["x", "t"], ["y"])], True),
        ([node("Identity", ["w"], ["t"]), node("MatMul", ["x", "t"], ["y"])], False),
        ([node("Gather", ["w", "ids"], ["e"]), node("MatMul", ["e", "w"], ["y"])], True),
        ([node("Add", ["x", "w"], ["y"])], True),
    ],
)
def test_the_second_operand_of_a_product_is_shown_outputs_first(
    tmp_path: Path, nodes: list[bytes], rows_first: bool
) -> None:
    checkpoint = opened(tmp_path, nodes, [tensor("w", WEIGHT)])
    np.testing.assert_array_equal(whole(checkpoint, "w"), WEIGHT if rows_first else WEIGHT.T)
    assert ("transposed" in {finding.code for finding in checkpoint.origin.findings}) is not rows_first


def test_a_conv1d_keeps_its_inputs_first(tmp_path: Path) -> None:
    checkpoint = opened(
        tmp_path, [node("Gemm", ["x", "h.0.c_fc.weight", "b"], ["y"])], [tensor("h.0.c_fc.weight", WEIGHT)]
    )
    np.testing.assert_array_equal(whole(checkpoint, "h.0.c_fc.weight"), WEIGHT)


CODES = RNG.integers(-127, 128, size=(6, 10)).astype(np.int8)
POINTS = RNG.integers(-5, 6, size=10).astype(np.int8)
SCALES = RNG.random(10).astype(np.float32) + 0.5
EXPECTED = (CODES.astype(np.float32) - POINTS) * SCALES


@pytest.mark.parametrize("spelling", ["dequantize", "integer", "cast", "names", "dynamic"])
def test_integers_with_a_scale_per_column(tmp_path: Path, spelling: str) -> None:
    names = ("w_quantized", "w_scale", "w_zero_point") if spelling == "names" else ("w_q", "s", "z")
    q, s, z = names
    nodes = {
        "dequantize": [
            node("DequantizeLinear", [q, s, z], ["d"], attribute("axis", 1)),
            node("MatMul", ["x", "d"], ["y"]),
        ],
        "integer": [
            node("DynamicQuantizeLinear", ["x"], ["xq", "xs", "xz"]),
            node("MatMulInteger", ["xq", q, "xz", z], ["i"]),
            node("Cast", ["i"], ["f"], attribute("to", 1)),
            node("Mul", ["xs", s], ["both"]),
            node("Mul", ["f", "both"], ["y"]),
        ],
        "cast": [
            node("Cast", [q], ["f"], attribute("to", 1)),
            node("Cast", [z], ["g"], attribute("to", 1)),
            node("Sub", ["f", "g"], ["c"]),
            node("Mul", ["c", s], ["d"]),
            node("MatMul", ["x", "d"], ["y"]),
        ],
        "names": [node("MatMulInteger", ["x", q], ["y"])],
        "dynamic": [node("DynamicQuantizeMatMul", ["x", q, s, z], ["y"], domain="com.microsoft")],
    }[spelling]
    checkpoint = opened(tmp_path, nodes, [tensor(q, CODES), tensor(s, SCALES), tensor(z, POINTS)])
    (info,) = checkpoint.tensors.values()
    assert (info.name, info.shape, info.dtype, info.nbytes) == ("w", (10, 6), "F32", 60 + 40 + 10)
    assert info.encoding is not None
    assert (info.encoding.scheme, info.encoding.bits) == ("int8", 8)
    np.testing.assert_allclose(whole(checkpoint, "w"), EXPECTED.T, rtol=1e-6)


def test_scales_of_rows_and_of_the_whole(tmp_path: Path) -> None:
    rows = RNG.random((6, 1)).astype(np.float32)
    nodes = [
        node("Cast", ["a_q"], ["f"]),
        node("Mul", ["f", "sa"], ["d"]),
        node("Gather", ["d", "ids"], ["e"]),
        node("DequantizeLinear", ["b_q", "sb", "zb"], ["g"]),
        node("Conv", ["x", "g"], ["y"]),
    ]
    codes = (CODES.astype(np.int16) + 127).astype(np.uint8)
    tensors = [
        tensor("a_q", CODES),
        tensor("sa", rows),
        tensor("b_q", codes),
        tensor("sb", np.float32(0.25)),
        tensor("zb", np.uint8(127)),
    ]
    checkpoint = opened(tmp_path, nodes, tensors)
    np.testing.assert_allclose(whole(checkpoint, "a"), CODES * rows, rtol=1e-6)
    np.testing.assert_allclose(whole(checkpoint, "b"), CODES * np.float32(0.25), rtol=1e-6)


def test_integers_of_four_bits_in_blocks(tmp_path: Path) -> None:
    codes = RNG.integers(-8, 8, size=(6, 5))
    flat = (codes.ravel() & 15).astype(np.uint8)
    scales = RNG.random((3, 5)).astype(np.float32)
    nodes = [
        node("DequantizeLinear", ["w_q", "s"], ["d"], attribute("axis", 0), attribute("block_size", 2)),
        node("MatMul", ["x", "d"], ["y"]),
    ]
    packed = raw_tensor("w_q", (6, 5), 22, message(9, (flat[0::2] | flat[1::2] << 4).tobytes()))
    checkpoint = opened(tmp_path, nodes, [packed, tensor("s", scales)])
    info = checkpoint.tensors["w"]
    assert info.encoding is not None
    assert (info.shape, info.encoding.scheme, info.encoding.group_size) == ((5, 6), "int4", 2)
    np.testing.assert_allclose(whole(checkpoint, "w"), (codes * np.repeat(scales, 2, axis=0)).T, rtol=1e-6)


def test_one_block_that_is_larger_than_the_weight(tmp_path: Path) -> None:
    scales = RNG.random((1, 10)).astype(np.float32)
    attributes = [attribute("axis", 0), attribute("block_size", 1 << 60)]
    nodes = [node("DequantizeLinear", ["w_q", "s"], ["d"], *attributes)]
    checkpoint = opened(tmp_path, nodes, [tensor("w_q", CODES), tensor("s", scales)])
    np.testing.assert_allclose(whole(checkpoint, "w"), CODES * scales, rtol=1e-6)


@pytest.mark.parametrize("with_points", [True, False])
def test_matmulnbits(tmp_path: Path, with_points: bool) -> None:
    rows, columns, block = 3, 40, 16
    codes = RNG.integers(0, 16, size=(rows, 3, block)).astype(np.uint8)
    points = RNG.integers(0, 16, size=(rows, 4)).astype(np.uint8)
    scales = RNG.random((rows, 3)).astype(np.float32)
    sizes = [attribute(key, value) for key, value in {"K": columns, "N": rows, "bits": 4, "block_size": block}.items()]
    tensors = [tensor("w_Q4", codes[..., 0::2] | codes[..., 1::2] << 4), tensor("s", scales.ravel())]
    if with_points:
        tensors.append(tensor("z", (points[:, 0::2] | points[:, 1::2] << 4).ravel()))
    inputs = ["x", "w_Q4", "s", *(["z"] if with_points else [])]
    checkpoint = opened(tmp_path, [node("MatMulNBits", inputs, ["y"], *sizes, domain="com.microsoft")], tensors)
    zero = points[:, :3, None].astype(np.float32) if with_points else np.float32(8)
    expected = ((codes.astype(np.float32) - zero) * scales[:, :, None]).reshape(rows, -1)[:, :columns]
    np.testing.assert_allclose(whole(checkpoint, "w"), expected, rtol=1e-6)
    assert checkpoint.take("w", []).shape == (0, columns)


def test_lost_names_come_back_from_biases_and_nodes(tmp_path: Path) -> None:
    bias = RNG.standard_normal(10).astype(np.float32)
    nodes = [
        node("MatMul", ["x", "val_1"], ["a"]),
        node("Add", ["fc.bias", "a"], ["b"]),
        node("MatMul", ["b", "onnx::MatMul_7"], ["c"], name="/layers.0/mlp/up_proj/MatMul"),
    ]
    other = RNG.standard_normal((10, 4)).astype(np.float32)
    tensors = [tensor("val_1", WEIGHT), tensor("fc.bias", bias), tensor("onnx::MatMul_7", other)]
    checkpoint = opened(tmp_path, nodes, tensors)
    assert list(checkpoint.tensors) == ["fc.weight", "fc.bias", "layers.0.mlp.up_proj.weight"]
    np.testing.assert_array_equal(whole(checkpoint, "fc.weight"), WEIGHT.T)
    np.testing.assert_array_equal(whole(checkpoint, "layers.0.mlp.up_proj.weight"), other.T)


@pytest.mark.parametrize(("operator", "order"), [("LSTM", (0, 2, 3, 1)), ("GRU", (1, 0, 2)), ("RNN", (0,))])
def test_recurrent_weights_are_split_and_reordered(tmp_path: Path, operator: str, order: tuple[int, ...]) -> None:
    gates, units = len(order), 3
    w = RNG.standard_normal((2, gates * units, 5)).astype(np.float32)
    b = RNG.standard_normal((2, 2 * gates * units)).astype(np.float32)
    checkpoint = opened(
        tmp_path,
        [node(operator, ["x", "w", "r", "b"], ["y"], name="/rnn/Run")],
        [tensor("w", w), tensor("b", b)],
    )
    leaves = ["weight_ih", "weight_ih_reverse", "bias_ih", "bias_hh", "bias_ih_reverse", "bias_hh_reverse"]
    assert list(checkpoint.tensors) == [f"rnn.Run.{leaf}" for leaf in leaves]
    blocks = w[1].reshape(gates, units, 5)
    expected = np.concatenate([blocks[place] for place in order])
    np.testing.assert_array_equal(whole(checkpoint, "rnn.Run.weight_ih_reverse"), expected)
    biases = b[0, gates * units :].reshape(gates, units)
    np.testing.assert_array_equal(whole(checkpoint, "rnn.Run.bias_hh"), np.concatenate([biases[p] for p in order]))


def test_constants_and_subgraphs(tmp_path: Path) -> None:
    inner = graph([constant("out", tensor("fc.weight", WEIGHT)), constant("tiny", tensor("", np.zeros(4)))], [])
    nodes = [
        node("If", ["c"], ["y"], attribute("then_branch", inner, 6), attribute("else_branch", inner, 6), name="If_0"),
        constant("table", tensor("", np.arange(80, dtype=np.float32))),
    ]
    checkpoint = opened(tmp_path, nodes, [])
    assert list(checkpoint.tensors) == ["table", "If_0.then_branch.fc.weight", "If_0.else_branch.fc.weight"]
    np.testing.assert_array_equal(whole(checkpoint, "If_0.else_branch.fc.weight"), WEIGHT)


def test_external_data(tmp_path: Path) -> None:
    (tmp_path / "model.onnx_data").write_bytes(bytes(16) + WEIGHT.tobytes())
    entries = {"location": "model.onnx_data", "offset": "16", "length": "240"}
    checkpoint = opened(tmp_path, [node("MatMul", ["x", "w"], ["y"])], [external("w", (6, 10), 1, **entries)])
    assert checkpoint.tensors["w"].shard == "model.onnx_data"
    np.testing.assert_array_equal(whole(checkpoint, "w"), WEIGHT.T)
    assert str(tmp_path / "model.onnx_data") in open_files()
    checkpoint.close()
    assert not [path for path in open_files() if path.startswith(str(tmp_path))]


def test_rows_cost_no_more_than_they_hold(tmp_path: Path) -> None:
    codes = RNG.integers(-127, 128, size=(4000, 512)).astype(np.int8)
    scales = RNG.random((4000, 1)).astype(np.float32)
    nodes = [node("Cast", ["e_q"], ["f"]), node("Mul", ["f", "s"], ["d"]), node("Gather", ["d", "i"], ["o"])]
    checkpoint = opened(tmp_path, nodes, [tensor("e_q", codes), tensor("s", scales), tensor("w", codes)])
    checkpoint.take("e", [5, 3000])
    checkpoint.take("w", [5, 3000])
    assert checkpoint.bytes_read == 2 * (512 + 4) + 2 * 512


def test_it_is_told_by_content(tmp_path: Path) -> None:
    path = tmp_path / "network.bin"
    path.write_bytes(model(graph([], [tensor("w", WEIGHT)]) + number(99, 1)))
    assert open_checkpoint(path).origin.format == "onnx"


WRITTEN_BY_ONNX = (
    "CAkSBG9ubng6jAcKRgoLd19xdWFudGl6ZWQKB3dfc2NhbGUKDHdfemVyb19wb2ludBIBZCIQRGVxdWFudGl6ZUxpbmVhcioLCgRh"
    "eGlzGAGgAQIKHQoBYQoBZBIBbRoKL2ZjL01hdE11bCIGTWF0TXVsCjQKAXgKAVcKAVIKAUISAXkaCS9ybm4vTFNUTSIETFNUTSoS"
    "CgtoaWRkZW5fc2l6ZRgCoAECCv4BCgFjEgFwGgRJZl8wIgJJZip1CgtlbHNlX2JyYW5jaDJjCkkSAW8iCENvbnN0YW50KjoKBXZh"
    "bHVlKi4IAggDEAFCDGlubmVyLndlaWdodEoYAAAAAAAAgD8AAABAAABAQAAAgEAAAKBAoAEEEgFiYhMKAW8SDgoMCAESCAoCCAIK"
    "AggDoAEFKnUKC3RoZW5fYnJhbmNoMmMKSRIBbyIIQ29uc3RhbnQqOgoFdmFsdWUqLggCCAMQAUIMaW5uZXIud2VpZ2h0ShgAAAAA"
    "AACAPwAAAEAAAEBAAACAQAAAoECgAQQSAWJiEwoBbxIOCgwIARIICgIIAgoCCAOgAQUSAWcqVwgECAMQAypCo///////////AaH/"
    "/////////wFMABcaNoj//////////wH8//////////8Bpv//////////Aef//////////wFtQgt3X3F1YW50aXplZCobCAMQASIM"
    "AAAAPwAAgD4AAABAQgd3X3NjYWxlKhcIAxADQgx3X3plcm9fcG9pbnRKAwH+AyptCAEICAgDEAFCAVdKYAAAAAAAAGC/AAAAAAAA"
    "QL8AAAA/AABgPwAAYD8AAAA+AAAgPwAAwL4AAEC/AAAAAAAAAL4AAIA+AABgPwAAAL8AACA/AABAvwAAwL4AAAA/AAAgvwAAgD4A"
    "AAC+AAAAACpNCAEICAgCEAEiQAAAYD8AACA/AAAgPwAAAAAAAGA/AABgPwAAQL8AACC/AAAAvwAAAAAAACA/AAAAvgAAYD8AAMC+"
    "AABAPwAAAD5CAVIqSwgBCBAQAUIBQkpAAADAPgAAIL8AAAA+AAAAPwAAQD8AACA/AABgPwAAQL8AAAA/AAAAvgAAgD4AAAC/AACA"
    "vwAAYL8AAGA/AABAP1oXCgF4EhIKEAgBEgwKAggCCgIIAQoCCANaEwoBYRIOCgwIARIICgIIAQoCCARaCwoBYxIGCgQICRIAYgkK"
    "AXkSBAoCCAFiCQoBZBIECgIIAUIECgAQEw=="
)
"""A model that the onnx package (1.19.1) wrote: typed and raw data, a quantised weight, an LSTM, a subgraph."""
DEQUANTISED = [[-47.0, -0.5, 26.5, -45.5], [-23.25, 6.25, -29.5, -5.75], [146.0, 46.0, -14.0, 212.0]]
"""What its reference evaluator makes of the quantised weight, transposed."""
STEPS = [[[1.0, -1.0, 0.5]], [[0.0, 0.25, -2.0]]]
OUTPUT = [[0.33046, 0.0367568], [0.2409393, 0.0286426]]
"""What the LSTM makes of `STEPS` there."""


def test_a_model_of_the_reference_library(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(base64.b64decode("".join(WRITTEN_BY_ONNX)))
    checkpoint = open_checkpoint(path)
    np.testing.assert_array_equal(whole(checkpoint, "fc.weight"), np.float32(DEQUANTISED))
    inner = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(whole(checkpoint, "If_0.then_branch.inner.weight"), inner)
    lstm = torch.nn.LSTM(3, 2)
    state = {f"{leaf}_l0": torch.from_numpy(whole(checkpoint, f"rnn.LSTM.{leaf}")) for leaf in LEAVES}
    lstm.load_state_dict(state)
    output = lstm(torch.tensor(STEPS))[0].detach().numpy()
    np.testing.assert_allclose(output[:, 0], OUTPUT, rtol=1e-5)
