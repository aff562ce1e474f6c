"""Folders with one set of weights, with several, and with other things beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch

from fingerprints.errors import CorruptCheckpoint, NotACheckpoint, UnsupportedFormat, UsageError
from fingerprints.readers import open_checkpoint, weight_sets

GENERATOR = torch.Generator().manual_seed(0)
WEIGHTS = {f"layers.{at}.weight": torch.randn(8, 16, generator=GENERATOR) for at in range(12)}
OTHERS = {name: tensor + 1 for name, tensor in WEIGHTS.items()}
HALF = {name: tensor.half() for name, tensor in WEIGHTS.items()}


def write(folder: Path, name: str, weights: dict[str, torch.Tensor] | bytes = WEIGHTS) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(weights, bytes):
        path.write_bytes(weights)
    elif name.endswith(".safetensors"):
        safetensors.torch.save_file(weights, path)
    else:
        torch.save(weights, path)
    return path


def names(folder: Path) -> list[str]:
    return [known.name for known in weight_sets(folder)]


def codes(folder: Path, **options: Any) -> list[tuple[str, str]]:
    return [(finding.code, finding.subject) for finding in open_checkpoint(folder, **options).origin.findings]


def test_precedence_is_fixed_and_every_set_can_be_named(tmp_path: Path) -> None:
    files = {
        "model.safetensors": "model.safetensors",
        "pytorch_model.bin": "pytorch_model.bin",
        "consolidated.00.pth": "consolidated",
        "other.safetensors": "other",
        "other.ckpt": "other.ckpt",
        "zero.pt": "zero",
        "model.fp16.safetensors": "model.fp16",
        "adapter_model.safetensors": "adapter_model",
        "checkpoint-1000/model.safetensors": "checkpoint-1000",
        "checkpoint-500/pytorch_model.bin": "checkpoint-500",
        "original/consolidated.00.pth": "original",
    }
    for at, file in enumerate(reversed(files)):
        write(tmp_path, file, {"w": torch.full((2,), float(len(files) - at))})
    for file in ("training_args.bin", "optimizer.bin", "scheduler.pt", "rng_state_0.pth", "random_states_0.pkl"):
        write(tmp_path, file, {"w": torch.zeros(2)})
    write(tmp_path, "model.tar", b"\0" * 257 + b"ustar" + bytes(300))
    write(tmp_path, "nemo/model.nemo", b"\0" * 257 + b"ustar" + bytes(300))
    write(tmp_path, "vocab.bin", b"\x01\x02")
    assert names(tmp_path) == [*files.values(), "model.tar", "nemo"]
    assert [known.chosen for known in weight_sets(tmp_path)] == [True] + [False] * 12
    for at, (file, name) in enumerate(files.items()):
        for variant in (name, file) if "/" not in file else (name,):
            checkpoint = open_checkpoint(tmp_path, variant=variant)
            assert checkpoint.rows("w", 0, 2).tolist() == [at + 1, at + 1]
            assert [known.name for known in checkpoint.origin.weight_sets if known.chosen] == [name]
            assert checkpoint.origin.reference == str(tmp_path)
    with pytest.raises(UsageError, match=r"'model\.fp32' among 13") as caught:
        open_checkpoint(tmp_path, variant="model.fp32")
    assert "'checkpoint-500'" in caught.value.hint
    for variant in ("model.tar", "nemo"):
        with pytest.raises(UnsupportedFormat):
            open_checkpoint(tmp_path, variant=variant)
    with pytest.raises(UsageError):
        open_checkpoint(tmp_path / "model.safetensors", variant="ema")


def test_a_variant_in_shards_is_named_by_its_stem(tmp_path: Path) -> None:
    for at in (1, 2):
        write(tmp_path, f"model.fp16-0000{at}-of-00002.safetensors", {f"w{at}": torch.ones(2)})
    write(tmp_path, "model.safetensors", {"w1": torch.ones(2), "w2": torch.ones(2)})
    assert names(tmp_path) == ["model.safetensors", "model.fp16"]
    assert codes(tmp_path) == []
    weight_map = {f"w{at}": f"model.fp16-0000{at}-of-00002.safetensors" for at in (1, 2)}
    write(tmp_path, "model.safetensors.index.fp16.json", json.dumps({"weight_map": weight_map}).encode())
    assert names(tmp_path) == ["model.safetensors", "model.fp16"]
    assert set(open_checkpoint(tmp_path, variant="model.fp16").tensors) == {"w1", "w2"}


@pytest.mark.parametrize("pickled", [True, False])
def test_sets_that_agree_raise_no_finding(tmp_path: Path, pickled: bool) -> None:
    tied = {**WEIGHTS, "head.weight": WEIGHTS["layers.0.weight"]}
    write(tmp_path, "model.safetensors")
    write(tmp_path, "pytorch_model.bin" if pickled else "model.fp32.safetensors", tied if pickled else WEIGHTS)
    write(tmp_path, "model.fp16.safetensors", HALF)
    write(tmp_path, "model.bf16.safetensors", {name: tensor.bfloat16() for name, tensor in WEIGHTS.items()})
    write(tmp_path, "consolidated.00.pth", {"another.naming": torch.ones(2)})
    assert codes(tmp_path) == []
    assert codes(tmp_path, variant="model.fp16") == []
    assert open_checkpoint(tmp_path).bytes_read == 0


DIFFERENT = {
    "numbers": (OTHERS, "numbers sampled"),
    "half the numbers": ({name: tensor * 1.01 for name, tensor in HALF.items()}, "numbers sampled"),
    "shapes": ({name: tensor[:4] for name, tensor in WEIGHTS.items()}, "(8, 16) in the chosen set and (4, 16)"),
    "fewer": (dict(list(WEIGHTS.items())[:3]), "9 of 12 tensors are in the chosen set only"),
    "more": ({**WEIGHTS, "extra": torch.ones(1)}, "1 of 13 tensors are in the other set only, such as 'extra'"),
    "names": ({f"x.{name}": tensor for name, tensor in WEIGHTS.items()}, "none of its 12 tensors"),
}


@pytest.mark.parametrize("other", ["pytorch_model.bin", "model.fp16.safetensors"])
@pytest.mark.parametrize("case", DIFFERENT)
def test_sets_that_disagree_are_reported(tmp_path: Path, case: str, other: str) -> None:
    weights, fragment = DIFFERENT[case]
    write(tmp_path, "model.safetensors")
    write(tmp_path, other, {name: tensor.clone() for name, tensor in weights.items()})
    (finding,) = open_checkpoint(tmp_path).origin.findings
    assert finding.code == "weight-sets-disagree"
    assert finding.subject == other.removesuffix(".safetensors")
    assert fragment in finding.message


def test_steps_of_training_and_adapters_are_expected_to_differ(tmp_path: Path) -> None:
    for name in ("model.safetensors", "checkpoint-5/model.safetensors", "adapter_model.safetensors"):
        write(tmp_path, name, {name.replace("/", "."): torch.randn(2)})
    assert codes(tmp_path) == []
    assert codes(tmp_path, variant="adapter_model") == []


def test_only_some_of_many_sets_are_compared(tmp_path: Path) -> None:
    for at in range(9):
        write(tmp_path, f"model_{at}.safetensors", {"w": torch.full((2,), float(at))})
    found = codes(tmp_path)
    assert found == [("weight-sets-disagree", f"model_{at}") for at in range(1, 5)] + [
        ("weight-sets-unchecked", "model_5")
    ]


def test_a_broken_set_is_reported_and_passed_over(tmp_path: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 999\n"
    write(tmp_path, "model.safetensors", pointer)
    write(tmp_path, "pytorch_model.bin")
    write(tmp_path, "extra.safetensors", b"\x08\0\0\0\0\0\0\0{garbage" + bytes(8))
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.origin.shards == ("pytorch_model.bin",)
    assert codes(tmp_path) == [("weight-set-unreadable", "model.safetensors"), ("weight-set-unreadable", "extra")]
    assert "999 bytes expected" in checkpoint.origin.findings[0].message
    with pytest.raises(CorruptCheckpoint, match="999 bytes"):
        open_checkpoint(tmp_path, variant="model.safetensors")


def test_the_only_slice_can_be_opened_by_its_path(tmp_path: Path) -> None:
    write(tmp_path, "consolidated.00.pth", {"w": torch.ones(2)})
    assert open_checkpoint(tmp_path / "consolidated.00.pth").origin.format == "pytorch"
    write(tmp_path, "consolidated.01.pth", {"w": torch.ones(2)})
    with pytest.raises(CorruptCheckpoint, match="1 of 2 tensor-parallel slices"):
        open_checkpoint(tmp_path / "consolidated.00.pth")
    assert [(known.name, known.readable) for known in weight_sets(tmp_path)] == [("consolidated", True)]


def test_what_several_ranks_of_megatron_wrote_is_named(tmp_path: Path) -> None:
    step = tmp_path / "iter_0000100"
    write(step, "mp_rank_00/model_optim_rng.pt", {"model": WEIGHTS, "optimizer": {"state": {}, "param_groups": []}})
    (tmp_path / "latest_checkpointed_iteration.txt").write_text("100")
    for folder in (step, tmp_path):
        with open_checkpoint(folder) as checkpoint:
            assert set(checkpoint.tensors) == set(WEIGHTS)
    write(step, "mp_rank_01_000/model_optim_rng.pt", {"model": WEIGHTS})
    for folder in (step, tmp_path):
        with pytest.raises(UnsupportedFormat, match="Megatron checkpoint of 2 ranks") as caught:
            open_checkpoint(folder)
        assert "convert.py" in caught.value.hint


def test_the_parts_of_a_pipeline_are_named(tmp_path: Path) -> None:
    write(tmp_path, "unet/diffusion_pytorch_model.safetensors")
    write(tmp_path, "vae/diffusion_pytorch_model.safetensors")
    with pytest.raises(NotACheckpoint, match="2 of its sub-folders: 'unet', 'vae'") as caught:
        open_checkpoint(tmp_path)
    assert "sub-folders" in caught.value.hint
    assert [(known.name, known.chosen) for known in weight_sets(tmp_path)] == [("unet", False), ("vae", False)]
    assert set(open_checkpoint(tmp_path, variant="vae").tensors) == set(WEIGHTS)


def test_the_last_step_of_training_stands_for_the_folder(tmp_path: Path) -> None:
    for step in (500, 10000, 2000):
        write(tmp_path, f"checkpoint-{step}/model.safetensors", {"w": torch.full((1,), float(step))})
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.rows("w", 0, 1).tolist() == [10000]
    assert names(tmp_path) == ["checkpoint-10000", "checkpoint-2000", "checkpoint-500"]
    assert checkpoint.tensors["w"].shard == "model.safetensors"


CONFIGS = {
    "missing": (None, {}, []),
    "valid": (b'{"architectures": null, "eps": 1e-6, "limit": [0, Infinity]}', None, []),
    "not JSON": (b"{architectures", {}, ["config-unreadable"]),
    "a list": (b"[]", {}, ["config-unreadable"]),
    "not UTF-8": (b'{"a": "\xff"}', {}, ["config-unreadable"]),
    "nested deeply": (b'{"a":' * 100_000, {}, ["config-unreadable"]),
    "too large": (b'{"a": "' + b"x" * 10_000_000 + b'"}', {}, ["config-unreadable"]),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_the_configuration_beside_the_weights(tmp_path: Path, case: str) -> None:
    content, expected, found = CONFIGS[case]
    path = write(tmp_path, "model.safetensors")
    if content is not None:
        write(tmp_path, "config.json", content)
    for place in (tmp_path, path):
        origin = open_checkpoint(place).origin
        assert [finding.code for finding in origin.findings] == found
        assert origin.config == (json.loads(content or b"") if expected is None else expected)


def test_an_index_that_cannot_be_read_is_done_without(tmp_path: Path) -> None:
    shards = [f"model_0000{at}-of-00002.safetensors" for at in (1, 2)]
    for at, shard in enumerate(shards):
        write(tmp_path, shard, {f"w{at}": torch.ones(2)})
    write(tmp_path, "model.safetensors.index.json", b'{"weight_map": {}} trailing')
    checkpoint = open_checkpoint(tmp_path)
    assert set(checkpoint.tensors) == {"w0", "w1"}
    (finding,) = checkpoint.origin.findings
    assert finding.code == "index-unreadable"
    assert "all 2 shards are there" in finding.message


def test_a_sharded_pickle(tmp_path: Path) -> None:
    shards = ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"]
    write(tmp_path, shards[0], {"a": torch.ones(2)})
    write(tmp_path, shards[1], {"b": torch.zeros(2), "unlisted": torch.ones(1)})
    index = {"weight_map": {"a": shards[0], "b": shards[1]}}
    write(tmp_path, "pytorch_model.bin.index.json", json.dumps(index).encode())
    checkpoint = open_checkpoint(tmp_path)
    assert list(checkpoint.tensors) == ["a", "b", "unlisted"]
    assert [(finding.code, finding.subject) for finding in checkpoint.origin.findings] == [
        ("index-omits-tensors", "pytorch_model.bin")
    ]
    assert len({info.storage for info in checkpoint.tensors.values()}) == 3


def test_truncated_rounding_is_no_disagreement(tmp_path: Path) -> None:
    full = {"w": np.random.default_rng(0).standard_normal((64, 64), np.float32)}
    cut = {"w": (full["w"].view(np.uint32) >> 16).astype(np.uint16).view(ml_dtypes.bfloat16)}
    safetensors.numpy.save_file(full, tmp_path / "model.safetensors")
    header = b'{"w":{"dtype":"BF16","shape":[64,64],"data_offsets":[0,8192]}}'
    content = len(header).to_bytes(8, "little") + header + cut["w"].tobytes()
    (tmp_path / "model.bf16.safetensors").write_bytes(content)
    assert codes(tmp_path) == []
