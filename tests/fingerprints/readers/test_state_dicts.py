"""Weights are found wherever a pickle keeps them, and training state is never taken for weights."""

from __future__ import annotations

import argparse
import functools
import pathlib
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fingerprints.errors import NotACheckpoint, UsageError
from fingerprints.readers import open_checkpoint


def save(value: object, path: Path, *, legacy: bool = False) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=not legacy)
    return path


def check(path: Path, expected: dict[str, torch.Tensor], variant: str | None = None) -> None:
    with open_checkpoint(path, variant=variant) as checkpoint:
        assert list(checkpoint.tensors) == list(expected)
        for name, tensor in expected.items():
            np.testing.assert_array_equal(checkpoint.rows(name, 0, tensor.shape[0]), tensor.numpy())


def training_state(weights: dict[str, torch.Tensor]) -> dict[str, Any]:
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([parameter])
    parameter.sum().backward()
    optimizer.step()
    return {
        "epoch": torch.tensor(3),
        "state_dict": OrderedDict(weights),
        "optimizer_states": [optimizer.state_dict()],
        "optimizer": optimizer.state_dict(),
        "lr_schedulers": [{"_last_lr": torch.ones(2)}],
        "callbacks": {"EarlyStopping": {"best": torch.ones(1)}},
        "loops": {"fit": {"state": torch.ones(1)}},
        "hyper_parameters": argparse.Namespace(rate=np.float32(1e-3), folder=pathlib.PurePosixPath("/data")),
        "partial": functools.partial(print, end=""),
        "rng_state": torch.get_rng_state(),
        ("a", "tuple"): torch.ones(1),
        7: {"weight": torch.ones(1)},
    }


@pytest.mark.parametrize("legacy", [False, True])
def test_training_state_is_never_taken_for_weights(tmp_path: Path, legacy: bool) -> None:
    weights = {"a.weight": torch.randn(2, 3), "a.bias": torch.randn(2)}
    check(save(training_state(weights), tmp_path / "last.ckpt", legacy=legacy), weights)
    only_state = training_state(weights)
    del only_state["state_dict"], only_state["epoch"]
    with pytest.raises(NotACheckpoint, match="0 tensors"):
        open_checkpoint(save(torch.optim.Adam([torch.ones(2)]).state_dict(), tmp_path / "a.pt", legacy=legacy))


@pytest.mark.parametrize(
    "key", ["state_dict", "model", "model_state_dict", "module", "net", "params", "weights", "ema"]
)
def test_weights_are_found_under_the_usual_keys(tmp_path: Path, key: str) -> None:
    weights = {"layer.weight": torch.randn(2, 3)}
    check(save({key: weights, "step": 5}, tmp_path / "a.pt"), weights)
    check(save({"checkpoint": 1, "model": {key: weights}}, tmp_path / "b.pt"), weights)


def test_weights_in_nested_dicts_have_dotted_names(tmp_path: Path) -> None:
    weight = torch.randn(2)
    path = save({"encoder": {"proj": {"w": weight}}, "head": weight, 5: weight, "note": "text"}, tmp_path / "a.pt")
    check(path, {"encoder.proj.w": weight, "head": weight})
    check(save(weight, tmp_path / "b.pt"), {"tensor": weight})


def test_the_averaged_weights_are_a_variant(tmp_path: Path) -> None:
    model, ema = {"w": torch.ones(2)}, {"w": torch.zeros(2)}
    path = save({"ema": ema, "model": model, "optimizer": {"w": torch.ones(2)}}, tmp_path / "last.pt")
    check(path, model)
    check(path, ema, "ema")
    check(path, ema, "last.pt:ema")
    check(tmp_path, ema, "last:ema")
    sets = open_checkpoint(path).origin.weight_sets
    assert [(known.name, known.chosen, known.nbytes) for known in sets] == [
        ("last.pt:model", True, 8),
        ("last.pt:ema", False, 8),
    ]
    with pytest.raises(UsageError, match="'optimizer'") as caught:
        open_checkpoint(path, variant="optimizer")
    assert "'last.pt:ema'" in caught.value.hint
