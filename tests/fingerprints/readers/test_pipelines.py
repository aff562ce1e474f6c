"""Repositories of several models, as the diffusers library saves them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from fingerprints.errors import CorruptCheckpoint, UsageError
from fingerprints.readers import open_checkpoint, weight_sets
from provenance import Relation, compare

BASES = Path(__file__).parents[3] / "bench" / "data" / "bases"


def write(folder: Path, **parts: str) -> Path:
    """A pipeline of trained models, and of two components without weights."""
    folder.mkdir()
    index: dict[str, object] = {"_class_name": "StableDiffusionPipeline", "scheduler": ["diffusers", "DDIMScheduler"]}
    for part, base in parts.items():
        shutil.copytree(BASES / base, folder / part)
        index[part] = ["diffusers", "Model"]
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text("{}")
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def test_the_models_are_one_checkpoint(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", unet="resnet-0", text_encoder="bert-0")
    with open_checkpoint(folder) as checkpoint, open_checkpoint(BASES / "bert-0") as encoder:
        assert checkpoint.origin.format == "diffusers"
        assert [finding.code for finding in checkpoint.origin.findings] == ["pipeline"]
        assert [(known.name, known.chosen) for known in checkpoint.origin.weight_sets] == [
            ("text_encoder", True),
            ("unet", True),
        ]
        assert {name.partition(".")[0] for name in checkpoint.tensors} == {"unet", "text_encoder"}
        for name, info in encoder.tensors.items():
            full = f"text_encoder.{name}"
            assert checkpoint.tensors[full].shard == "text_encoder/model.safetensors"
            assert checkpoint.tensors[full].name == full
            assert np.array_equal(checkpoint.rows(full, 0, info.shape[0]), encoder.rows(name, 0, info.shape[0]))
        assert checkpoint.bytes_read == encoder.bytes_read > 0
        with pytest.raises(UsageError, match="no tensor"):
            checkpoint.rows("unet.none", 0, 1)
    assert [known.chosen for known in weight_sets(folder)] == [True, True]
    assert open_checkpoint(folder, variant="unet").origin.format == "safetensors"


def test_shared_components_are_named(tmp_path: Path) -> None:
    ours = write(tmp_path / "a", transformer="llama-0", text_encoder="bert-0")
    same = write(tmp_path / "b", transformer="llama-0", text_encoder="bert-0")
    partly = write(tmp_path / "c", transformer="llama-1", text_encoder="bert-0")
    other = write(tmp_path / "d", transformer="llama-1", text_encoder="bert-1")
    assert compare(ours, same).verdict.relation is Relation.IDENTICAL
    assert compare(ours, other).verdict.relation is Relation.INDEPENDENT
    result = compare(ours, partly)
    assert result.verdict.relation is Relation.DERIVED
    (kind,) = result.verdict.kinds
    assert kind.kind == "component_reuse"
    assert kind.parameters["subtrees_a"] == kind.parameters["subtrees_b"] == ["text_encoder.*"]


def test_a_component_that_is_broken_is_left_out_and_said(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", unet="resnet-0", vae="bert-0")
    path = folder / "vae" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with open_checkpoint(folder) as checkpoint:
        assert [(f.code, f.subject) for f in checkpoint.origin.findings][1:] == [("component-unreadable", "vae")]
        assert {name.partition(".")[0] for name in checkpoint.tensors} == {"unet"}
    path = folder / "unet" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CorruptCheckpoint, match="truncated"):
        open_checkpoint(folder)
