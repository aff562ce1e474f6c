"""compressed-tensors and MLX: packed rows are read as floats, and what does not fit is one tensor's fault."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fingerprints.checkpoint import Checkpoint, Encoding
from fingerprints.errors import UnreadableTensor
from fingerprints.readers import open_checkpoint
from tests.checkpoints import write_values
from tests.packing import affine, along_columns, along_rows, in_order, mlx, named, pack_quantized

PLAIN = {"norm.weight": np.ones(4, dtype=np.float32)}
SOME = [0, 5, 31, 32, 39]


def weight(outputs: int = 40, inputs: int = 96, seed: int = 0) -> np.ndarray:
    return (0.02 * np.random.default_rng(seed).standard_normal((outputs, inputs))).astype(np.float32)


def opened(folder: Path, parts: dict[str, np.ndarray], config: dict[str, object] | None = None) -> Checkpoint:
    if config:
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config))
    return open_checkpoint(write_values(folder, PLAIN | named(parts)))


def whole(checkpoint: Checkpoint, name: str = "x.weight") -> np.ndarray:
    return checkpoint.rows(name, 0, checkpoint.tensors[name].shape[0])


def claimed(**weights: object) -> dict[str, object]:
    return {"quantization_config": {"config_groups": {"group_0": {"weights": weights}}}}


def assert_read(checkpoint: Checkpoint, expected: np.ndarray, scheme: str, bits: int, width: int | None) -> None:
    assert list(checkpoint.tensors) == ["norm.weight", "x.weight"]
    info = checkpoint.tensors["x.weight"]
    assert (info.shape, info.dtype) == (expected.shape, "F32")
    assert info.encoding == Encoding(scheme=scheme, bits=bits, group_size=width)
    assert np.array_equal(whole(checkpoint), expected)
    some = [row for row in SOME if row < len(expected)]
    assert np.array_equal(checkpoint.take("x.weight", some), expected[some])
    assert np.array_equal(np.concatenate(list(checkpoint.blocks("x.weight", max_bytes=999))), expected.reshape(-1))
    assert checkpoint.take("x.weight", []).shape == (0, *expected.shape[1:])


@pytest.mark.parametrize("bits", range(1, 9))
def test_packed_integers_with_zero_points(tmp_path: Path, bits: int) -> None:
    parts, expected = pack_quantized(weight(), bits, in_order(96, 32))
    assert_read(opened(tmp_path, parts), expected, "compressed-tensors", bits, 32)


def test_groups_in_another_order(tmp_path: Path) -> None:
    group = np.random.default_rng(1).permutation(in_order(96, 32))
    parts, expected = pack_quantized(weight(), 4, group)
    parts["weight_g_idx"] = group.astype(np.int32)
    assert_read(opened(tmp_path, parts), expected, "compressed-tensors", 4, 32)


def test_an_order_below_zero_means_none(tmp_path: Path) -> None:
    parts, expected = pack_quantized(weight(), 4, in_order(96, 32))
    parts["weight_g_idx"] = np.full(96, -1, dtype=np.int32)
    assert_read(opened(tmp_path, parts), expected, "compressed-tensors", 4, 32)


@pytest.mark.parametrize("shape", [(1,), (), (40, 1), (40,)])
def test_symmetric_integers_with_a_step_a_row_or_one(tmp_path: Path, shape: tuple[int, ...]) -> None:
    codes = np.random.default_rng(0).integers(-8, 8, (40, 100))
    steps = np.random.default_rng(1).uniform(0.01, 0.02, shape).astype(np.float32)
    parts = {
        "weight_packed": along_rows(codes + 8, 4),
        "weight_scale": np.asarray(steps),
        "weight_shape": np.array([40, 100], dtype=np.int64),
    }
    expected = codes.astype(np.float32) * (steps.reshape(-1, 1) if steps.ndim else steps)
    assert_read(opened(tmp_path, parts), expected, "compressed-tensors", 4, None)


@pytest.mark.parametrize("zeros", [False, True])
def test_integers_that_are_not_packed(tmp_path: Path, zeros: bool) -> None:
    codes = np.random.default_rng(0).integers(-128, 128, (40, 96)).astype(np.int8)
    steps = np.random.default_rng(1).uniform(0.01, 0.02, (40, 1)).astype(np.float32)
    parts = {"weight": codes, "weight_scale": steps}
    expected = codes.astype(np.float32) * steps
    if zeros:
        parts["weight_zero_point"] = np.arange(-20, 20, dtype=np.int8)[:, None]
        expected = (codes.astype(np.float32) - parts["weight_zero_point"]) * steps
    checkpoint = opened(tmp_path, parts)
    assert_read(checkpoint, expected, "compressed-tensors", 8, None)
    (tmp_path / "four").mkdir()
    four = opened(tmp_path / "four", parts, claimed(num_bits=4))
    assert four.tensors["x.weight"].encoding == Encoding(scheme="compressed-tensors", bits=4)


def test_packed_experts(tmp_path: Path) -> None:
    each = [pack_quantized(weight(seed=seed), 4, in_order(96, 32)) for seed in range(3)]
    parts = {name: np.stack([parts[name] for parts, _ in each]) for name in each[0][0]}
    parts["weight_shape"] = np.array([3, 40, 96], dtype=np.int64)
    expected = np.stack([values for _, values in each])
    assert_read(opened(tmp_path, parts), expected, "compressed-tensors", 4, 32)


def test_few_inputs_need_the_claim(tmp_path: Path) -> None:
    codes = np.random.default_rng(0).integers(-8, 8, (40, 6))
    parts = {
        "weight_packed": along_rows(codes + 8, 4),
        "weight_scale": np.ones(1, dtype=np.float32),
        "weight_shape": np.array([40, 6], dtype=np.int64),
    }
    assert_read(opened(tmp_path / "a", parts, claimed(num_bits=4)), codes.astype("f4"), "compressed-tensors", 4, None)
    with pytest.raises(UnreadableTensor, match="5 numbers of bits fit 1 words for 6 inputs"):
        whole(opened(tmp_path / "b", parts))


@pytest.mark.parametrize(
    ("strategy", "symmetric"),
    [("group", True), ("group", False), ("channel", True), ("channel", False), ("tensor", True)],
)
@pytest.mark.parametrize(("packed", "bits"), [(True, 3), (True, 4), (True, 8), (False, 8)])
def test_the_library_decodes_the_same(tmp_path: Path, strategy: str, symmetric: bool, packed: bool, bits: int) -> None:
    pytest.importorskip("compressed_tensors")
    import torch
    from compressed_tensors.compressors.naive_quantized import NaiveQuantizationCompressor
    from compressed_tensors.compressors.pack_quantized import PackedQuantizationCompressor
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme

    group = in_order(96, 32 if strategy == "group" else 96)
    values = weight()
    if strategy == "tensor":
        steps, zeros = np.array([np.abs(values).max() / (1 << bits - 1)], dtype=np.float32), np.zeros(1, dtype=int)
    else:
        _, steps, zeros = affine(values, bits, group)
    lifted = np.zeros_like(zeros) if symmetric else zeros - (1 << bits - 1)
    arguments = QuantizationArgs(
        num_bits=bits, symmetric=symmetric, strategy=strategy, group_size=32 if strategy == "group" else None
    )
    scheme = QuantizationScheme(targets=["Linear"], weights=arguments)
    compressor = PackedQuantizationCompressor if packed else NaiveQuantizationCompressor
    state = {
        "weight": torch.from_numpy(values),
        "weight_scale": torch.from_numpy(steps),
        "weight_zero_point": torch.from_numpy(lifted.astype(np.int8)),
    }
    compressed = compressor.compress(state, scheme)
    expected = compressor.decompress(dict(compressed), scheme)["weight"].float().numpy()
    parts = {name: part.numpy() for name, part in compressed.items()}
    assert_read(opened(tmp_path, parts), expected, "compressed-tensors", bits, 32 if strategy == "group" else None)


@pytest.mark.parametrize(("bits", "width"), [(2, 64), (3, 64), (4, 64), (5, 64), (6, 64), (8, 64), (3, 32), (8, 128)])
def test_mlx_is_read_as_floats(tmp_path: Path, bits: int, width: int) -> None:
    parts, expected = mlx(weight(inputs=256), bits, in_order(256, width))
    claims = {"quantization": {"group_size": width, "bits": bits}}
    assert_read(opened(tmp_path / "claimed", parts, claims), expected, "mlx", bits, width)


@pytest.mark.parametrize(("bits", "width"), [(3, 32), (4, 64), (6, 64), (8, 64), (8, 128)])
def test_mlx_is_read_without_a_claim(tmp_path: Path, bits: int, width: int) -> None:
    parts, expected = mlx(weight(inputs=256), bits, in_order(256, width))
    assert_read(opened(tmp_path, parts), expected, "mlx", bits, width)


def test_mlx_claims_may_be_about_one_module(tmp_path: Path) -> None:
    parts, expected = mlx(weight(inputs=256), 8, in_order(256, 32))
    claims = {"group_size": 64, "bits": 4, "x": {"group_size": 32, "bits": 8}}
    assert_read(opened(tmp_path, parts, {"quantization": claims}), expected, "mlx", 8, 32)


def test_a_claim_that_does_not_fit_is_not_followed(tmp_path: Path) -> None:
    parts, expected = mlx(weight(inputs=256), 4, in_order(256, 64))
    assert_read(opened(tmp_path, parts, {"quantization": {"group_size": 64, "bits": 8}}), expected, "mlx", 4, 64)


def test_mlx_experts(tmp_path: Path) -> None:
    each = [mlx(weight(seed=seed, inputs=128), 4, in_order(128, 64)) for seed in range(3)]
    parts = {name: np.stack([parts[name] for parts, _ in each]) for name in each[0][0]}
    assert_read(opened(tmp_path, parts), np.stack([values for _, values in each]), "mlx", 4, 64)


@pytest.mark.parametrize("scheme", ["compressed-tensors", "mlx"])
def test_rows_cost_what_they_hold(tmp_path: Path, scheme: str) -> None:
    make = mlx if scheme == "mlx" else pack_quantized
    parts, _ = make(weight(outputs=640, inputs=128), 4, in_order(128, 64))
    checkpoint = opened(tmp_path, parts)
    checkpoint.take("x.weight", range(64))
    small = sum(values.nbytes for values in parts.values()) / 10
    assert small * 0.9 < checkpoint.bytes_read < small * 1.1


SOUND, _ = pack_quantized(weight(), 4, in_order(96, 32))
MLX, _ = mlx(weight(), 4, in_order(96, 32))
INTEGERS = {"weight": np.ones((40, 96), np.int8), "weight_scale": np.ones((40, 1), np.float32)}
BROKEN = {
    "steps of other rows": (SOUND | {"weight_scale": SOUND["weight_scale"][:39]}, "its weight_scale is F16 of shape"),
    "steps that are integers": (SOUND | {"weight_scale": np.ones((40, 3), np.int32)}, "its weight_scale is I32"),
    "more groups than inputs": (
        {name: SOUND[name] for name in ("weight_packed", "weight_shape")}
        | {"weight_scale": np.ones((40, 97), np.float32)},
        "97 groups do not fit 96 inputs",
    ),
    "words that are bytes": (SOUND | {"weight_packed": np.ones((40, 48), np.int8)}, "its weight_packed is I8"),
    "words with one axis": (SOUND | {"weight_packed": np.ones(40, np.int32)}, "is I32 of shape (40,)"),
    "shape of other rows": (SOUND | {"weight_shape": np.array([41, 96])}, "its weight_shape is no shape"),
    "shape below zero": (SOUND | {"weight_shape": np.array([40, -96])}, "its weight_shape is no shape"),
    "shape with three numbers": (SOUND | {"weight_shape": np.array([1, 40, 96])}, "its weight_shape is no shape"),
    "shape of floats": (SOUND | {"weight_shape": np.array([40.0, 96.0])}, "its weight_shape is no shape"),
    "shape far too wide": (SOUND | {"weight_shape": np.array([40, 1 << 50])}, "0 numbers of bits fit"),
    "shape too narrow": (SOUND | {"weight_shape": np.array([40, 8])}, "0 numbers of bits fit"),
    "zero points of other bits": (
        SOUND | {"weight_zero_point": along_columns(np.zeros((40, 3), int), 8)}, "0 numbers of bits fit"
    ),
    "zero points of other groups": (SOUND | {"weight_zero_point": np.zeros((5, 2), np.int32)}, "its weight_zero_point"),
    "an order of other inputs": (SOUND | {"weight_g_idx": np.zeros(95, np.int32)}, "its weight_g_idx is I32"),
    "an order beyond the groups": (SOUND | {"weight_g_idx": np.full(96, 3, np.int32)}, "names group 3, of 3"),
    "integers with zero points in words": (
        INTEGERS | {"weight_zero_point": np.zeros((40, 1), np.int32)}, "its weight_zero_point is I32"
    ),
    "integers with other steps": (INTEGERS | {"weight_scale": np.ones((39, 1), np.float32)}, "shape (39, 1)"),
    "integers with one axis": (INTEGERS | {"weight": np.ones(40, np.int8)}, "for a weight of shape (40,)"),
    "mlx with other biases": (MLX | {"biases": MLX["biases"][:, :2]}, "its biases (40, 2)"),
    "mlx with steps of other rows": (
        MLX | {"scales": MLX["scales"][:39], "biases": MLX["biases"][:39]}, "its scales (39, 3)"
    ),
    "mlx with integer steps": (MLX | {"scales": np.ones((40, 3), np.uint8)}, "its scales are U8"),
    "mlx with bits that do not divide": (MLX | {"weight": np.ones((40, 13), np.uint32)}, "13 words and 3 groups"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_what_does_not_fit_is_one_tensors_fault(tmp_path: Path, case: str) -> None:
    parts, message = BROKEN[case]
    checkpoint = opened(tmp_path, parts)
    assert list(checkpoint.tensors) == ["norm.weight", "x.weight"]
    with pytest.raises(UnreadableTensor) as caught:
        whole(checkpoint)
    assert message in caught.value.message
    assert caught.value.hint
    assert np.array_equal(whole(checkpoint, "norm.weight"), PLAIN["norm.weight"])


@pytest.mark.parametrize(
    ("parts", "lacking"),
    [(SOUND, "weight_scale"), (SOUND, "weight_shape"), (MLX, "biases"), (INTEGERS, "weight_scale")],
)
def test_incomplete_weight_stays_as_it_is_stored(tmp_path: Path, parts: dict[str, np.ndarray], lacking: str) -> None:
    left = {name: values for name, values in parts.items() if name != lacking}
    checkpoint = opened(tmp_path, left)
    assert set(checkpoint.tensors) == {"norm.weight", *named(left)}
    assert checkpoint.origin.findings == ()


@pytest.mark.parametrize(
    "config",
    [
        {"quantization": {"x": 3, "bits": "4", "group_size": [64]}},
        {"quantization": {"bits": True, "group_size": -1}},
        {"quantization_config": []},
        {"text_config": 7},
    ],
)
def test_claims_of_another_kind_are_no_claims(tmp_path: Path, config: dict[str, object]) -> None:
    parts, expected = mlx(weight(inputs=128), 4, in_order(128, 64))
    assert_read(opened(tmp_path, parts, config), expected, "mlx", 4, 64)


@pytest.mark.parametrize("groups", [7, {"a": 1}, {"a": {"weights": 1}}, {"a": {"weights": {"num_bits": "4"}}}])
def test_claims_about_groups_may_be_anything(tmp_path: Path, groups: object) -> None:
    parts, expected = pack_quantized(weight(), 4, in_order(96, 32))
    checkpoint = opened(tmp_path, parts, {"quantization_config": {"config_groups": groups}})
    assert_read(checkpoint, expected, "compressed-tensors", 4, 32)
