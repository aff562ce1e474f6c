"""Packed floats of 4 bits: MXFP4 as transformers decodes it, NVFP4 by its published formula."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fingerprints.checkpoint import Encoding
from fingerprints.errors import UnreadableTensor
from fingerprints.readers import open_checkpoint
from provenance.comparison import compare
from provenance.result import Relation
from tests.checkpoints import llama_shapes

E2M1 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])
"""Table 9 of the OCP microscaling formats, in order of the codes."""
DRAW = torch.Generator().manual_seed(4)
BLOCKS = torch.randint(0, 256, (3, 10, 4, 16), generator=DRAW).to(torch.uint8)
POWERS = torch.randint(118, 131, (3, 10, 4), generator=DRAW).to(torch.uint8)


def unpacked(packed: torch.Tensor) -> torch.Tensor:
    """Two numbers for each byte, the low half first."""
    return torch.stack((E2M1[(packed & 15).long()], E2M1[(packed >> 4).long()]), dim=-1).flatten(-2)


def experts() -> torch.Tensor:
    """The experts of BLOCKS and POWERS as experts x outputs x inputs."""
    return (unpacked(BLOCKS) * 2.0 ** (POWERS.float() - 127)[..., None]).flatten(-2)


def test_experts_decode_as_transformers_loads_them(tmp_path: Path) -> None:
    save_file(
        {"mlp.experts.gate_up_proj_blocks": BLOCKS, "mlp.experts.gate_up_proj_scales": POWERS},
        tmp_path / "model.safetensors",
    )
    with open_checkpoint(tmp_path) as checkpoint:
        assert list(checkpoint.tensors) == ["mlp.experts.gate_up_proj"]
        info = checkpoint.tensors["mlp.experts.gate_up_proj"]
        assert (info.shape, info.dtype) == ((3, 128, 10), "F32")
        assert info.encoding == Encoding(scheme="mxfp4", bits=4, group_size=32)
        whole = checkpoint.rows(info.name, 0, 3)
        np.testing.assert_array_equal(whole, experts().transpose(1, 2))
        np.testing.assert_array_equal(checkpoint.take(info.name, [0, 2]), whole[[0, 2]])
        np.testing.assert_array_equal(np.concatenate(list(checkpoint.blocks(info.name, 1000))), whole.ravel())
        assert checkpoint.take(info.name, []).shape == (0, 128, 10)
        before = checkpoint.bytes_read
        checkpoint.take(info.name, [1])
        assert checkpoint.bytes_read - before == 10 * 4 * 17


def test_the_reference_decoder_agrees() -> None:
    reference = pytest.importorskip("transformers.integrations.mxfp4")
    decoded = reference.convert_moe_packed_tensors(BLOCKS, POWERS, dtype=torch.float32)
    np.testing.assert_array_equal(decoded, experts().transpose(1, 2))


def test_openai_files_are_not_transposed(tmp_path: Path) -> None:
    save_file({"mlp1_weight.blocks": BLOCKS, "mlp1_weight.scales": POWERS}, tmp_path / "model.safetensors")
    with open_checkpoint(tmp_path) as checkpoint:
        np.testing.assert_array_equal(checkpoint.rows("mlp1_weight", 0, 3), experts())


def test_the_largest_exponent_is_no_number(tmp_path: Path) -> None:
    powers = POWERS.clone()
    powers[1, 2, 3] = 255
    save_file({"w.blocks": BLOCKS, "w.scales": powers}, tmp_path / "model.safetensors")
    with open_checkpoint(tmp_path) as checkpoint:
        broken = np.argwhere(~np.isfinite(checkpoint.rows("w", 0, 3)))
    assert broken.tolist() == [[1, 2, column] for column in range(96, 128)]


def nvfp4(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Codes, scales of 16 and the scale of the whole, all to be multiplied."""
    whole = weight.abs().amax() / (448 * 6)
    groups = weight.reshape(*weight.shape[:-1], -1, 16)
    scales = (groups.abs().amax(-1) / 6 / whole).clamp(min=2**-6).to(torch.float8_e4m3fn)
    steps = groups / (scales.float() * whole)[..., None]
    codes = (steps[..., None] - E2M1).abs().argmin(-1).flatten(-2).to(torch.uint8)
    return codes[..., 0::2] | codes[..., 1::2] << 4, scales, whole


@pytest.mark.parametrize("spelling", ["modelopt", "compressed-tensors"])
def test_nvfp4_has_scales_of_two_levels(tmp_path: Path, spelling: str) -> None:
    packed, scales, whole = nvfp4(torch.randn((6, 64), generator=DRAW))
    tensors = {"x.weight_scale": scales}
    if spelling == "modelopt":
        tensors |= {"x.weight": packed, "x.weight_scale_2": whole, "x.input_scale": torch.ones(())}
    else:
        tensors |= {
            "x.weight_packed": packed,
            "x.weight_global_scale": (1 / whole).reshape(1),
            "x.input_global_scale": torch.ones(1),
        }
    save_file(tensors, tmp_path / "model.safetensors")
    expected = unpacked(packed) * (scales.float() * whole).repeat_interleave(16, dim=1)
    with open_checkpoint(tmp_path) as checkpoint:
        assert list(checkpoint.tensors) == ["x.weight"]
        assert checkpoint.tensors["x.weight"].shape == (6, 64)
        assert checkpoint.tensors["x.weight"].encoding == Encoding(scheme="nvfp4", bits=4, group_size=16)
        np.testing.assert_allclose(checkpoint.rows("x.weight", 0, 6), expected, rtol=1e-6)
        before = checkpoint.bytes_read
        np.testing.assert_allclose(checkpoint.take("x.weight", [1, 4]), expected[[1, 4]], rtol=1e-6)
        assert checkpoint.bytes_read - before == 2 * (32 + 4) + 4


def test_powers_under_the_same_names_are_mxfp4(tmp_path: Path) -> None:
    packed, powers = BLOCKS.reshape(30, 64), POWERS.reshape(30, 4)
    save_file({"x.weight_packed": packed, "x.weight_scale": powers}, tmp_path / "model.safetensors")
    with open_checkpoint(tmp_path) as checkpoint:
        assert checkpoint.tensors["x.weight"].encoding == Encoding(scheme="mxfp4", bits=4, group_size=32)
        assert [finding.message for finding in checkpoint.origin.findings] == ["stored as mxfp4, decoded as it is read"]
        np.testing.assert_array_equal(checkpoint.rows("x.weight", 0, 30), experts().reshape(30, 128))


GOOD = nvfp4(torch.ones(6, 64))


@pytest.mark.parametrize(
    ("tensors", "name", "reason"),
    [
        ({"x.blocks": BLOCKS}, "x", "its scales are missing"),
        ({"x.blocks": BLOCKS, "x.scales": POWERS[:2]}, "x", r"U8 of shape \[2, 10, 4\]"),
        ({"x.blocks": BLOCKS, "x.scales": POWERS.float()}, "x", "its scales are F32"),
        ({"x.weight": GOOD[0], "x.weight_scale": GOOD[1]}, "x.weight", "0 scales of the whole tensor"),
        (
            {"x.weight": GOOD[0], "x.weight_scale": GOOD[1][:5], "x.weight_scale_2": GOOD[2]},
            "x.weight",
            r"\[5, 4\] scales do not cover \[6, 64\]",
        ),
        (
            {
                "x.weight": GOOD[0],
                "x.weight_scale": GOOD[1],
                "x.weight_scale_2": GOOD[2],
                "x.comfy_quant": torch.zeros(9, dtype=torch.uint8),
            },
            "x.weight",
            "in the tiles that a kernel of ComfyUI wants",
        ),
        (
            {"x.weight": GOOD[0], "x.weight_scale": GOOD[1], "x.weight_scale_2": torch.ones(7)},
            "x.weight",
            r"\[7\] scales of the whole",
        ),
        (
            {"x.weight": GOOD[0], "x.weight_scale": GOOD[1], "x.weight_scale_2": torch.ones((), dtype=torch.int32)},
            "x.weight",
            "of the type I32",
        ),
    ],
)
def test_parts_that_do_not_fit_spoil_one_weight(
    tmp_path: Path, tensors: dict[str, torch.Tensor], name: str, reason: str
) -> None:
    tensors = {key: values.clone() for key, values in tensors.items()} | {"y.weight": torch.ones(3, 3)}
    save_file(tensors, tmp_path / "model.safetensors")
    with open_checkpoint(tmp_path) as checkpoint:
        assert set(checkpoint.tensors) == {name, "y.weight"}
        with pytest.raises(UnreadableTensor, match=reason) as caught:
            checkpoint.rows(name, 0, 1)
        assert caught.value.tensor == name
        assert checkpoint.rows("y.weight", 0, 3).sum() == 9


def test_the_verdict_is_that_of_the_original(tmp_path: Path) -> None:
    for seed, folder in enumerate(("origin", "stranger")):
        (tmp_path / folder).mkdir()
        save_file(llama(seed), tmp_path / folder / "model.safetensors")
    packed = {}
    for name, weight in llama(0).items():
        if name.endswith("proj.weight"):
            packed[name], packed[f"{name}_scale"], packed[f"{name}_scale_2"] = nvfp4(weight)
        else:
            packed[name] = weight
    (tmp_path / "packed").mkdir()
    save_file(packed, tmp_path / "packed" / "model.safetensors")
    related = compare(tmp_path / "origin", tmp_path / "packed").verdict
    assert related.relation is Relation.DERIVED
    assert [kind.parameters["scheme"] for kind in related.kinds if kind.kind == "quantised"] == ["nvfp4"]
    assert compare(tmp_path / "stranger", tmp_path / "packed").verdict.relation is Relation.INDEPENDENT


def llama(seed: int) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    shapes = llama_shapes(layers=2, hidden=96, mlp=224, heads=4, kv_heads=2, vocabulary=256)
    return {
        name: torch.randn(shape, generator=draw) * 0.05 + (1 if "norm" in name else 0) for name, shape in shapes.items()
    }
