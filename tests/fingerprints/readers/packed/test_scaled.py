"""Elements of 8 bits are multiplied with their scales, whatever those are called and however many there are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fingerprints.checkpoint import Encoding
from fingerprints.errors import UnreadableTensor
from fingerprints.readers import open_checkpoint
from fingerprints.readers.packed.scaled import block_sizes
from provenance.comparison import compare
from provenance.result import Relation
from tests.checkpoints import llama_shapes

E4M3, E5M2 = torch.float8_e4m3fn, torch.float8_e5m2
DRAW = torch.Generator().manual_seed(3)
MATRIX = (torch.randn((300, 200), generator=DRAW) * 40).clamp(-400, 400)
SCALES = torch.rand((300, 200), generator=DRAW) + 0.5


def blocks_of(rows: int, columns: int) -> torch.Tensor:
    """One scale for each block of so many rows and columns, spread over the whole matrix."""
    grid = SCALES[: -(-300 // rows), : -(-200 // columns)]
    return torch.kron(grid, torch.ones(rows, columns))[:300, :200]


LAYOUTS = {
    "tensor, compressed-tensors": ("x.weight_scale", SCALES[0, 0], SCALES[:1, :1]),
    "tensor of one axis": ("x.weight_scale", SCALES[0, :1], SCALES[:1, :1]),
    "tensor, ComfyUI": ("x.scale_weight", SCALES[0, 0], SCALES[:1, :1]),
    "rows": ("x.weight_scale", SCALES[:, :1], SCALES[:, :1]),
    "rows of one axis": ("x.weight_scale", SCALES[:, 0], SCALES[:, :1]),
    "columns": ("x.weight_scale", SCALES[:1], SCALES[:1]),
    "blocks, DeepSeek": ("x.weight_scale_inv", SCALES[:3, :2], blocks_of(128, 128)),
    "blocks, DeepSeek's own": ("x.scale", SCALES[:3, :2], blocks_of(128, 128)),
    "half precision": ("x.weight_scale", SCALES[:, :1].bfloat16(), SCALES[:, :1].bfloat16().float()),
}


@pytest.mark.parametrize("kind", [E4M3, E5M2], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_weight_is_its_float_times_its_scale(tmp_path: Path, layout: str, kind: torch.dtype) -> None:
    name, scale, spread = LAYOUTS[layout]
    packed = MATRIX.to(kind)
    save_file({"x.weight": packed, name: scale.contiguous()}, tmp_path / "model.safetensors")
    expected = (packed.float() * spread).numpy()
    with open_checkpoint(tmp_path) as checkpoint:
        assert set(checkpoint.tensors) == {"x.weight"}
        info = checkpoint.tensors["x.weight"]
        assert info.encoding is not None
        assert (info.shape, info.dtype, info.encoding.scheme, info.encoding.bits) == ((300, 200), "F32", "fp8", 8)
        np.testing.assert_array_equal(checkpoint.rows("x.weight", 0, 300), expected)
        np.testing.assert_array_equal(checkpoint.take("x.weight", [0, 127, 128, 299]), expected[[0, 127, 128, 299]])
        flat = np.concatenate(list(checkpoint.blocks("x.weight", max_bytes=3000)))
        np.testing.assert_array_equal(flat, expected.ravel())


def test_a_claimed_block_size_settles_what_shapes_leave_open(tmp_path: Path) -> None:
    packed = MATRIX.to(E4M3)
    save_file({"x.weight": packed, "x.weight_scale_inv": SCALES[:3, :2].contiguous()}, tmp_path / "model.safetensors")
    claim = {"quantization_config": {"weight_block_size": [140, 110]}}
    (tmp_path / "config.json").write_text(json.dumps(claim))
    with open_checkpoint(tmp_path) as checkpoint:
        assert checkpoint.tensors["x.weight"].encoding == Encoding(
            scheme="fp8", bits=8, group_size=110, fraction_bits=3
        )
        np.testing.assert_array_equal(checkpoint.rows("x.weight", 0, 300), (packed.float() * blocks_of(140, 110)))


@pytest.mark.parametrize(
    ("shape", "scales", "claimed", "expected"),
    [
        ((256, 512), (2, 4), (), (128, 128)),
        ((576, 200), (5, 2), (), (128, 128)),
        ((576, 200), (5, 2), (64, 64), (128, 128)),
        ((96, 96), (3, 1), (), (32, 96)),
        ((100, 96), (100, 1), (), (1, 96)),
        ((100, 96), (7, 6), (), (16, 16)),
        ((8, 256, 512), (8, 2, 4), (128, 128), (1, 128, 128)),
        ((100, 96), (99, 1), (), None),
        ((100, 96), (3, 4, 5), (), None),
        ((100, 96), (200, 1), (), None),
    ],
)
def test_block_sizes_follow_from_shapes(
    shape: tuple[int, ...], scales: tuple[int, ...], claimed: tuple[int, ...], expected: tuple[int, ...] | None
) -> None:
    assert block_sizes(shape, scales, claimed) == expected


def test_stacked_experts_have_their_own_blocks(tmp_path: Path) -> None:
    packed = MATRIX.reshape(4, 75, 200).to(E4M3)
    scales = SCALES[:4, :4].reshape(4, 2, 2).contiguous()
    save_file({"mlp.up_proj": packed, "mlp.up_proj_scale_inv": scales}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"quantization_config": {"weight_block_size": [64, 128]}}')
    expected = packed.float()
    for expert in range(4):
        expected[expert] *= torch.kron(scales[expert], torch.ones(64, 128))[:75, :200]
    with open_checkpoint(tmp_path) as checkpoint:
        np.testing.assert_array_equal(checkpoint.take("mlp.up_proj", [1, 3]), expected[[1, 3]])


def test_input_scales_leave_with_the_weight_and_lone_floats_stay(tmp_path: Path) -> None:
    tensors = {
        "x.weight": MATRIX.to(E4M3),
        "x.weight_scale": SCALES[0, 0],
        "x.input_scale": SCALES[1, 1].clone(),
        "y.weight": MATRIX.to(E4M3),
    }
    save_file(tensors, tmp_path / "model.safetensors")
    with open_checkpoint(tmp_path) as checkpoint:
        assert {name: info.dtype for name, info in checkpoint.tensors.items()} == {
            "x.weight": "F32",
            "y.weight": "F8_E4M3",
        }
        assert checkpoint.bytes_total == 2 * 300 * 200 + 8


@pytest.mark.parametrize("zero", [False, True])
def test_torchao_integers_decode(tmp_path: Path, zero: bool) -> None:
    packed = torch.randint(-128, 128, (6, 8), generator=DRAW).to(torch.int8)
    points = torch.randint(-9, 9, (6, 2), generator=DRAW).to(torch.int8)
    tensors = {"x._weight_qdata": packed, "x._weight_scale": SCALES[:6, :2].contiguous()}
    save_file(tensors | ({"x._weight_zero_point": points} if zero else {}), tmp_path / "model.safetensors")
    offsets = torch.kron(points if zero else torch.zeros(6, 2), torch.ones(1, 4))
    with open_checkpoint(tmp_path) as checkpoint:
        assert checkpoint.tensors["x.weight"].encoding == Encoding(scheme="int8", bits=8, group_size=4)
        expected = (packed - offsets) * torch.kron(SCALES[:6, :2], torch.ones(1, 4))
        np.testing.assert_array_equal(checkpoint.rows("x.weight", 0, 6), expected)


def test_a_row_costs_a_row(tmp_path: Path) -> None:
    save_file(
        {"x.weight": MATRIX.to(E4M3), "x.weight_scale_inv": SCALES[:3, :2].contiguous()}, tmp_path / "a.safetensors"
    )
    with open_checkpoint(tmp_path / "a.safetensors") as checkpoint:
        checkpoint.take("x.weight", [5, 290])
        assert checkpoint.bytes_read == 2 * 200 + 2 * 2 * 4


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"x.weight_scale": SCALES[:99, :1]}, r"\[99, 1\] scales do not divide \[300, 200\] elements"),
        ({"x.weight_scale": SCALES[0, :3]}, r"\[3\] scales do not divide"),
        ({"x.weight_scale": torch.zeros(0)}, r"\[0\] scales do not divide"),
        ({"x.weight_scale": torch.ones(300, 1, dtype=torch.int64)}, "scales are of the type I64"),
        ({"x.weight_scale": SCALES[0, 0], "x.scale_weight": SCALES[0, 1]}, "2 tensors claim to be its scales"),
    ],
)
def test_scales_that_do_not_fit_spoil_one_weight(tmp_path: Path, parts: dict[str, torch.Tensor], reason: str) -> None:
    tensors = {"x.weight": MATRIX.to(E4M3), "y.weight": MATRIX} | parts
    save_file({name: values.clone().contiguous() for name, values in tensors.items()}, tmp_path / "model.safetensors")
    with open_checkpoint(tmp_path) as checkpoint:
        assert set(checkpoint.tensors) == {"x.weight", "y.weight"}
        with pytest.raises(UnreadableTensor, match=reason) as caught:
            checkpoint.rows("x.weight", 0, 1)
        assert caught.value.tensor == "x.weight"
        assert caught.value.hint
        np.testing.assert_array_equal(checkpoint.rows("y.weight", 0, 300), MATRIX)


@pytest.mark.parametrize("large", [torch.inf, 1e300])
def test_scales_that_are_no_numbers_give_values_that_are_none(tmp_path: Path, large: float) -> None:
    scales = SCALES[:, :1].double()
    scales[4] = torch.nan
    scales[5] = large
    save_file({"x.weight": MATRIX.to(E4M3), "x.weight_scale": scales}, tmp_path / "model.safetensors")
    with open_checkpoint(tmp_path) as checkpoint:
        rows = checkpoint.rows("x.weight", 3, 7)
        assert np.isfinite(rows).all(axis=1).tolist() == [True, False, False, True]


@pytest.mark.parametrize("block", [None, 32])
def test_the_verdict_is_that_of_the_original(tmp_path: Path, block: int | None) -> None:
    for seed, folder in enumerate(("origin", "stranger")):
        (tmp_path / folder).mkdir()
        save_file(llama(seed), tmp_path / folder / "model.safetensors")
    packed = {}
    for name, weight in llama(0).items():
        packed[name] = weight
        if name.endswith("proj.weight"):
            rows, columns = (block, block) if block else weight.shape
            grid = weight.reshape(weight.shape[0] // rows, rows, weight.shape[1] // columns, columns)
            scale = grid.abs().amax(dim=(1, 3), keepdim=True) / 448
            packed[name] = (grid / scale).to(E4M3).reshape(weight.shape)
            packed[f"{name}_scale_inv" if block else f"{name}_scale"] = scale[:, 0, :, 0].contiguous()
    (tmp_path / "packed").mkdir()
    save_file(packed, tmp_path / "packed" / "model.safetensors")
    if block:
        claim = {"quantization_config": {"weight_block_size": [block, block]}}
        (tmp_path / "packed" / "config.json").write_text(json.dumps(claim))
    related = compare(tmp_path / "origin", tmp_path / "packed").verdict
    assert related.relation is Relation.DERIVED
    quantised = [kind.parameters for kind in related.kinds if kind.kind == "quantised"]
    assert [(each["scheme"], each["bits"], each["group_size"]) for each in quantised] == [("fp8", 8, block)]
    assert related.effect is not None
    assert related.effect > 0.999
    assert compare(tmp_path / "stranger", tmp_path / "packed").verdict.relation is Relation.INDEPENDENT


def llama(seed: int) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    shapes = llama_shapes(layers=2, hidden=96, mlp=224, heads=3, kv_heads=3, vocabulary=256)
    return {
        name: torch.randn(shape, generator=draw) * 0.05 + (1 if "norm" in name else 0) for name, shape in shapes.items()
    }
