"""The writer of big random checkpoints, at a toy size."""

import json
import math
from collections import namedtuple

import numpy as np
import pytest
from safetensors.torch import load_file

from bench import shapes
from bench.zoo.llama import LlamaConfig

TOY = LlamaConfig(layers=2, hidden=64, intermediate=160, heads=4, kv_heads=2, vocabulary=300)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PROVENANCE_CACHE", str(tmp_path))


def loaded(folder):
    return {name: value for shard in sorted(folder.glob("*.safetensors")) for name, value in load_file(shard).items()}


def test_a_checkpoint_is_valid_and_has_the_shapes(tmp_path):
    folder = shapes.write(tmp_path / "toy", TOY, seed=1, shard=60_000)
    tensors = loaded(folder)
    assert {name: tuple(value.shape) for name, value in tensors.items()} == shapes.tensors(TOY)
    assert {str(value.dtype) for value in tensors.values()} == {"torch.bfloat16"}
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == shapes.size(TOY) == 2 * sum(value.numel() for value in tensors.values())
    assert len(set(index["weight_map"].values())) == len(list(folder.glob("*.safetensors"))) > 1
    for name, file in index["weight_map"].items():
        assert name in load_file(folder / file)
    assert json.loads((folder / "config.json").read_text())["num_key_value_heads"] == 2


def test_values_are_normal_and_gains_lie_around_one(tmp_path):
    tensors = loaded(shapes.write(tmp_path / "toy", TOY, seed=1))
    embedding = tensors["model.embed_tokens.weight"].double()
    assert abs(embedding.mean()) < 5 * 0.02 / math.sqrt(embedding.numel())
    assert embedding.std() == pytest.approx(0.02, rel=0.02)
    gain = tensors["model.norm.weight"].double()
    assert gain.mean() == pytest.approx(1.0, abs=0.02)
    assert 0 < gain.std() < 0.04


def test_tensors_and_seeds_are_unrelated(tmp_path):
    one = loaded(shapes.write(tmp_path / "one", TOY, seed=1))
    other = loaded(shapes.write(tmp_path / "other", TOY, seed=2))
    up = "model.layers.0.mlp.up_proj.weight"
    gate = "model.layers.0.mlp.gate_proj.weight"
    for a, b in ((one[up], other[up]), (one[up], one[gate]), (one[up], one[up.replace("0", "1")])):
        correlation = np.corrcoef(a.double().flatten(), b.double().flatten())[0, 1]
        assert abs(correlation) < 5 / math.sqrt(a.numel())


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    one = shapes.write(tmp_path / "one", TOY, seed=1)
    again = shapes.write(tmp_path / "again", TOY, seed=1)
    assert [path.read_bytes() for path in sorted(one.iterdir())] == [
        path.read_bytes() for path in sorted(again.iterdir())
    ]


def test_values_do_not_depend_on_the_block(monkeypatch):
    whole = np.concatenate(list(shapes.values("w", 1000, 0)))
    monkeypatch.setattr(shapes, "BLOCK", 256)
    assert np.array_equal(np.concatenate(list(shapes.values("w", 1000, 0))), whole)


def test_checkpoints_are_deleted_even_after_an_error(tmp_path):
    def fail():
        with shapes.checkpoints(TOY, (1, 2)) as folders:
            assert all(folder.is_dir() for folder in folders)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list((tmp_path / "shapes").iterdir()) == []


def test_a_full_disk_is_refused_before_writing(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shapes.shutil, "disk_usage", lambda _: usage(0, 0, shapes.MARGIN))
    with pytest.raises(shapes.DiskFullError) as caught, shapes.checkpoints(TOY, (1,)):
        pytest.fail("wrote")
    assert caught.value.needed == shapes.MARGIN + shapes.size(TOY)
    assert list((tmp_path / "shapes").iterdir()) == []


def test_what_a_dead_process_left_is_deleted(tmp_path):
    left = tmp_path / "shapes" / "999999999"
    left.mkdir(parents=True)
    with shapes.checkpoints(TOY, (1,)):
        assert not left.exists()
