"""What `inspect` says about packed, fused and pickled weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

from provenance.inspection import inspect
from tests import ggufs, packing
from tests.checkpoints import write_values

RNG = np.random.default_rng(3)


def weight(rows: int, columns: int) -> np.ndarray:
    return RNG.standard_normal((rows, columns)).astype(np.float32)


def test_schemes_are_counted_in_decoded_values(tmp_path: Path) -> None:
    tensors = {"blk.0.ffn_up.weight": (weight(8, 256), "Q4_K"), "blk.0.ffn_down.weight": (weight(4, 256), "Q8_0")}
    path = ggufs.write(tmp_path / "model.gguf", "llama", tensors)
    found = inspect(path)
    assert found.model.dtypes == {"Q4_K": 2048, "Q8_0": 1024}
    assert {template.dtypes for template in found.templates} == {("Q4_K",), ("Q8_0",)}
    assert found.model.params == 3072


def test_packed_modules_are_one_tensor_each(tmp_path: Path) -> None:
    packed, _ = packing.gptq(weight(32, 64), 4, packing.in_order(64, 32))
    save_file(packing.named(packed, "model.layers.0.mlp.up_proj."), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"quantization_config": {"quant_method": "gptq", "bits": 4}}')
    found = inspect(tmp_path)
    assert found.model.dtypes == {"gptq": 2048}
    assert [(template.pattern, template.dtypes) for template in found.templates] == [
        ("model.layers.{i}.mlp.up_proj.weight", ("gptq",))
    ]


def test_fused_layouts_are_listed(tmp_path: Path) -> None:
    shapes = {f"h.{layer}.attn.c_attn.weight": weight(96, 288) for layer in range(3)}
    others = {f"h.{layer}.attn.c_proj.weight": weight(96, 96) for layer in range(3)}
    found = inspect(write_values(tmp_path, shapes | others))
    assert "fused_qkv" in {entry.layout for entry in found.layouts}


def test_pickled_names_are_no_part_of_a_comparison(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save({"w": torch.arange(12.0).reshape(3, 4)}, path)
    assert "pickle-imports" in {finding.code for finding in inspect(path).model.findings}
