"""MLX without a usable claim: bits and group size are those under which widths agree with the rest."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fingerprints.checkpoint import Encoding
from fingerprints.readers import open_checkpoint
from provenance import Relation, compare
from tests.checkpoints import llama_shapes, write_values
from tests.in_memory import gaussian
from tests.packing import Arrays, in_order, mlx, named

WIDTH = 96
SHAPES = llama_shapes(layers=2, hidden=WIDTH, mlp=224, heads=4, kv_heads=2, vocabulary=192)
"""The vocabulary is twice as long as the rows, so one wrong width occurs elsewhere, too."""


def packed(values: dict[str, np.ndarray], bits: int, group_size: int, *, every: bool = False) -> Arrays:
    stored: Arrays = {}
    for name, tensor in values.items():
        if tensor.ndim == 2 and (every or "_proj." in name):
            parts, _ = mlx(tensor, bits, in_order(tensor.shape[1], group_size))
            stored |= named(parts, name.removesuffix("weight"))
        else:
            stored[name] = tensor
    return stored


def encodings(folder: Path) -> set[Encoding]:
    with open_checkpoint(folder) as checkpoint:
        shapes = {name: info.shape for name, info in checkpoint.tensors.items()}
        assert shapes == {name: tuple(shape) for name, shape in SHAPES.items()}
        return {info.encoding for info in checkpoint.tensors.values() if info.encoding}


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize(("bits", "group_size"), [(4, 32), (6, 32), (8, 32)])
def test_widths_elsewhere_decide(tmp_path: Path, bits: int, group_size: int, every: bool) -> None:
    folder = write_values(tmp_path, packed(gaussian(SHAPES, seed=1), bits, group_size, every=every))
    assert encodings(folder) == {Encoding(scheme="mlx", bits=bits, group_size=group_size)}


@pytest.mark.parametrize("claim", [{"bits": 77, "group_size": 32}, {"bits": "4", "group_size": None}, {"bits": 4}])
def test_a_claim_that_fits_nothing_is_passed_over(tmp_path: Path, claim: dict[str, object]) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"quantization": claim}))
    folder = write_values(tmp_path, packed(gaussian(SHAPES, seed=1), 4, 32))
    assert encodings(folder) == {Encoding(scheme="mlx", bits=4, group_size=32)}


def test_the_outputs_of_a_weight_are_no_evidence_for_its_own_inputs(tmp_path: Path) -> None:
    parts, _ = mlx(gaussian({"x": (512, 256)}, seed=1)["x"], 4, in_order(256, 64))
    with open_checkpoint(write_values(tmp_path, named(parts))) as checkpoint:
        assert checkpoint.tensors["x.weight"].encoding == Encoding(scheme="mlx", bits=4, group_size=64)


def test_a_broken_weight_does_not_keep_the_others_from_being_read(tmp_path: Path) -> None:
    stored = packed(gaussian(SHAPES, seed=1), 4, 32)
    for words, groups in (((4,), (1,)), ((2, 0), (2, 0)), ((2, 4), (1,)), ((2, 5), (2, 1))):
        prefix = f"odd{len(stored)}."
        stored |= named({name: np.ones(groups, np.float32) for name in ("scales", "biases")}, prefix)
        stored[f"{prefix}weight"] = np.ones(words, np.uint32)
    with open_checkpoint(write_values(tmp_path, stored)) as checkpoint:
        assert checkpoint.tensors["model.layers.1.mlp.down_proj.weight"].shape == (WIDTH, 224)


def test_the_original_is_found_without_a_claim(tmp_path: Path) -> None:
    values = gaussian(SHAPES, seed=1)
    stored = write_values(tmp_path / "packed", packed(values, 4, 32))
    report = compare(write_values(tmp_path / "original", values), stored)
    assert report.verdict.relation is Relation.DERIVED
    quantised = next(kind for kind in report.verdict.kinds if kind.kind == "quantised")
    assert quantised.parameters == {"bits": 4, "group_size": 32, "scheme": "mlx", "side": "b"}
    other = write_values(tmp_path / "other", gaussian(SHAPES, seed=2))
    assert compare(other, stored).verdict.relation is Relation.INDEPENDENT


def inferred(folder: Path) -> list[str]:
    with open_checkpoint(folder) as checkpoint:
        return [each.message for each in checkpoint.origin.findings if each.code == "packing-inferred"]


def test_a_choice_that_no_claim_makes_is_said(tmp_path: Path) -> None:
    values = gaussian(SHAPES, seed=1)
    folder = write_values(tmp_path / "packed", packed(values, 4, 32))
    (message,) = inferred(folder)
    assert message.startswith("14 of 14 mlx weights were taken to have 4 bits in groups of 32")
    assert "also fit 2 in groups of 64" in message
    shown = compare(write_values(tmp_path / "original", values), folder)
    assert message in {finding.message for finding in shown.b.findings}
    (folder / "config.json").write_text(json.dumps({"quantization": {"bits": 4, "group_size": 32}}))
    assert inferred(folder) == []


def test_a_layout_that_shapes_leave_no_choice_of_is_not_inferred(tmp_path: Path) -> None:
    parts, _ = mlx(gaussian({"x": (32, 320)}, seed=1)["x"], 5, in_order(320, 64))
    folder = write_values(tmp_path, named(parts))
    assert inferred(folder) == []
    with open_checkpoint(folder) as checkpoint:
        assert checkpoint.tensors["x.weight"].encoding == Encoding(scheme="mlx", bits=5, group_size=64)


def test_a_weight_that_cannot_be_read_is_not_said_to_be_inferred(tmp_path: Path) -> None:
    parts = {name: np.ones((2, 1), np.int64) for name in ("scales", "biases")} | {"weight": np.ones((2, 8), np.uint32)}
    assert inferred(write_values(tmp_path, named(parts))) == []
