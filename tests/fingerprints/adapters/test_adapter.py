"""What is taken for an adapter, and what hostile ones do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from fingerprints.adapters import applied_to, changes, open_model, read_adapter
from fingerprints.adapters.configuration import read_adapter_config
from fingerprints.adapters.names import parse_name
from fingerprints.errors import NotACheckpoint, UnreadableTensor
from fingerprints.readers import open_checkpoint
from tests.in_memory import InMemory

A, B = np.ones((2, 6), dtype=np.float32), np.ones((4, 2), dtype=np.float32)


def folder(path: Path, tensors: Mapping[str, np.ndarray], config: object = None, file: str = "adapter_model") -> Path:
    path.mkdir(parents=True, exist_ok=True)
    save_file(dict(tensors), path / f"{file}.safetensors")
    if config is not None:
        (path / "adapter_config.json").write_text(json.dumps(config))
    return path


@pytest.mark.parametrize(
    ("name", "plain", "mark", "adapter"),
    [
        ("base_model.model.m.q.lora_A.weight", "m.q.lora_A", "lora_A", ""),
        ("base_model.model.m.q.lora_B.default.weight", "m.q.lora_B", "lora_B", "default"),
        ("m.q.base_layer.weight", "m.q.weight", "base_layer", ""),
        ("m.e.lora_embedding_A.default", "m.e.lora_embedding_A", "lora_embedding_A", "default"),
        ("h.modules_to_save.default.out.weight", "h.out.weight", "modules_to_save", "default"),
        ("h.modules_to_save.weight", "h.weight", "modules_to_save", ""),
        ("h.original_module.weight", "h.weight", "original_module", ""),
        ("llm.base_model.model.m.q.ia3_l", "llm.m.q.ia3_l", "ia3_l", ""),
        ("m.norm.weight", "m.norm.weight", "", ""),
    ],
)
def test_names_are_taken_apart(name: str, plain: str, mark: str, adapter: str) -> None:
    found = parse_name(name)
    assert (found.plain, found.mark, found.adapter) == (plain, mark, adapter)


def test_a_model_with_a_module_called_lora_is_no_adapter() -> None:
    values = np.ones((8, 8), dtype=np.float32)
    assert read_adapter(InMemory({"adapter.lora_B.weight": values, "norm.weight": values})) is None
    assert read_adapter(InMemory({"m.lora_A.weight": values[:3], "m.lora_B.weight": values[:, :2]})) is None


def test_several_adapters_beside_a_base_are_left_out(tmp_path: Path) -> None:
    from fingerprints.adapters import with_base

    tensors = {"q.base_layer.weight": np.zeros((4, 6), dtype=np.float32)}
    tensors |= {f"q.lora_{part}.{name}.weight": value for name in "xy" for part, value in (("A", A), ("B", B))}
    adapter = read_adapter(open_checkpoint(folder(tmp_path, tensors, {"lora_alpha": 2}, "model")))
    assert adapter is not None
    view = with_base(adapter)
    assert not view.rows("q.weight", 0, 4).any()
    assert "2 adapters" in view.origin.findings[-1].message


@pytest.mark.parametrize(
    "config",
    [
        {"lora_alpha": float("nan")},
        {"lora_alpha": "8"},
        {"lora_alpha": True},
        {"lora_alpha": 10**400},
        {"lora_alpha": 8, "alpha_pattern": {"(a+)+$": 3}},
        {"lora_alpha": None},
    ],
)
def test_a_scale_that_is_not_settled_is_not_known(tmp_path: Path, config: object) -> None:
    path = folder(tmp_path, {"a.lora_A.weight": A, "a.lora_B.weight": B}, config)
    assert read_adapter_config(path).scale("a", 2) is None


def test_a_broken_configuration_is_a_finding(tmp_path: Path) -> None:
    path = folder(tmp_path, {"a.lora_A.weight": A, "a.lora_B.weight": B})
    (path / "adapter_config.json").write_text("{" * 50)
    assert [finding.code for finding in read_adapter_config(path).findings] == ["config-unreadable"]


def test_sizes_that_do_not_fit_are_said(tmp_path: Path) -> None:
    path = folder(tmp_path, {"a.lora_A.weight": A, "a.lora_B.weight": B}, {"lora_alpha": 2})
    adapter = read_adapter(open_checkpoint(path))
    assert adapter is not None
    base = InMemory({"a.weight": np.zeros((5, 6), dtype=np.float32)})
    _, refused = applied_to(adapter, base, {"a.weight": "a.weight"})
    assert "(5, 6)" in refused["a.weight"]


def test_a_factor_that_cannot_be_read_leaves_the_others_readable() -> None:
    arrays = {f"{module}.lora_{part}.weight": value for module in "ab" for part, value in (("A", A), ("B", B))}
    adapter = read_adapter(InMemory(arrays, broken=["a.lora_A.weight"]))
    assert adapter is not None
    view = changes(adapter)
    with pytest.raises(UnreadableTensor):
        view.rows("a.weight", 0, 1)
    np.testing.assert_array_equal(view.rows("b.weight", 0, 1), np.full((1, 6), 2, dtype=np.float32))


def test_few_rows_of_a_product_read_few_rows_of_the_tall_factor() -> None:
    arrays = {"a.lora_A.weight": A, "a.lora_B.weight": np.ones((1000, 2), dtype=np.float32)}
    source = InMemory(arrays)
    adapter = read_adapter(source)
    assert adapter is not None
    changes(adapter).take("a.weight", [3, 900])
    assert [rows for name, rows in source.taken if name == "a.lora_B.weight"] == [(3, 900)]


def test_empty_factors_and_vectors_are_no_adapter() -> None:
    parts = {"m.lora_A.weight": np.ones((2, 8)), "m.lora_B.weight": np.ones((0, 2)), "n.ia3_l": np.ones((0, 1))}
    assert read_adapter(InMemory({**parts, "m.weight": np.ones((0, 8)), "n.weight": np.ones((0, 8))})) is None
    assert read_adapter(InMemory({**parts, "m.lora_B.weight": np.ones((4, 2))})) is not None


def test_no_rows_of_a_product_are_no_rows() -> None:
    source = InMemory({"m.lora_A.weight": np.ones((2, 8)), "m.lora_B.weight": np.ones((4, 2))})
    adapter = read_adapter(source)
    assert adapter is not None
    assert changes(adapter).take("m.weight", []).shape == (0, 8)


def test_parts_in_sub_folders_are_one_checkpoint(tmp_path: Path) -> None:
    folder(tmp_path / "llm_adapter", {"m.lora_A.weight": A, "m.lora_B.weight": B}, {"lora_alpha": 4})
    folder(tmp_path / "visual_encoder_adapter", {"m.lora_A.weight": A, "m.lora_B.weight": B}, {"lora_alpha": 8})
    folder(tmp_path / "projector", {"model.0.weight": B}, file="model")
    model = open_model(tmp_path)
    adapter = read_adapter(model)
    assert adapter is not None
    assert adapter.scales == (2.0, 4.0)
    view = changes(adapter)
    assert view.rows("llm.m.weight", 0, 1)[0, 0] == 4
    assert view.rows("visual_encoder.m.weight", 0, 1)[0, 0] == 8
    assert "projector.model.0.weight" in view.tensors
    assert open_model(tmp_path, variant="projector").tensors.keys() == {"model.0.weight"}


def test_other_sub_folders_are_not_joined(tmp_path: Path) -> None:
    for name in ("unet", "vae"):
        folder(tmp_path / name, {"m.weight": A}, file="model")
    with pytest.raises(NotACheckpoint):
        open_model(tmp_path)
