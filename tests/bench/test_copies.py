"""Copies of the big random checkpoints, at a toy size: they are what they say, and a disguise keeps the function."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import LlamaForCausalLM

from bench import copies, copy_speed, shapes
from bench.command import Done
from bench.zoo.llama import LlamaConfig
from fingerprints.readers import open_checkpoint

TOY = LlamaConfig(layers=3, hidden=48, intermediate=80, heads=4, kv_heads=2, vocabulary=100)


def logits(folder):
    model = LlamaForCausalLM.from_pretrained(folder, torch_dtype=torch.float32)
    with torch.no_grad():
        return model(torch.arange(40).reshape(2, 20)).logits


@pytest.fixture
def source(tmp_path):
    return shapes.write(tmp_path / "source", TOY, seed=1)


def test_a_disguise_moves_every_matrix_and_keeps_the_function(source, tmp_path):
    with open_checkpoint(source) as checkpoint:
        fill = copies.changed(checkpoint, copies.Disguise(checkpoint, TOY))
        disguised = shapes.store(tmp_path / "disguised", TOY, fill)
    before, after = (load_file(next(folder.glob("*.safetensors"))) for folder in (source, disguised))
    for name, values in before.items():
        if values.ndim == 2:
            x, y = values.float().flatten(), after[name].float().flatten()
            assert abs(torch.dot(x, y) / (x.norm() * y.norm())) < 0.25, name
    expected, found = logits(source), logits(disguised)
    assert (expected - found).norm() / expected.norm() < 0.03, "no more than rounding to bfloat16 leaves"


def test_layers_in_another_order_with_noise(source, tmp_path):
    with open_checkpoint(source) as checkpoint:
        reordered = shapes.store(tmp_path / "reordered", TOY, copies.reordered(checkpoint, [2, 0, 1], 0.1))
    before, after = (load_file(next(folder.glob("*.safetensors"))) for folder in (source, reordered))
    up = "model.layers.{}.mlp.up_proj.weight"
    moved, kept = after[up.format(0)].float(), before[up.format(2)].float()
    assert (moved - kept).norm() / kept.norm() == pytest.approx(0.1, rel=0.1)
    assert torch.equal(after["model.norm.weight"], before["model.norm.weight"])


def test_pairs_are_judged_by_relation_time_memory_and_bytes():
    case = replace(copy_speed.CASES[0], seconds=5.0, share=0.1)
    result = {"verdict": {"relation": "derived", "kinds": []}, "run": {"bytes_read": 20, "bytes_total": 100}}
    done = Done(status=0, result=result, said="", seconds=4.0, processor=4.0, peak=10**8, read=None)
    outcome = copy_speed.judge([(case, done)], load=0.0)
    assert [check.passed for check in outcome.checks] == [True, True, True, False]


def test_a_pair_is_written_and_deleted(tmp_path, monkeypatch):
    monkeypatch.setenv("PROVENANCE_CACHE", str(tmp_path))
    for copy in ("reordered", "disguised", "stranger"):
        with copy_speed.pair(replace(copy_speed.CASES[0], copy=copy), TOY) as (a, b):
            values = [load_file(next(folder.glob("*.safetensors")))["lm_head.weight"].float() for folder in (a, b)]
            assert not np.allclose(*values, atol=1e-3)
        assert not a.exists()
