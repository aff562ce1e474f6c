"""Indexes and folders that contradict themselves or lead elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from fingerprints.errors import CheckpointError, CorruptCheckpoint, LimitExceeded, NotACheckpoint
from fingerprints.readers import folder as folder_module
from fingerprints.readers import open_checkpoint, shard_index

SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
INDEX = "model.safetensors.index.json"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    for at, shard in enumerate(SHARDS):
        safetensors.numpy.save_file({f"w{at}": np.full(2, at, np.float32)}, folder / shard)
    return folder


def index(folder: Path, document: object) -> None:
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    (folder / INDEX).write_bytes(text)


def fails(folder: Path, kind: type[CheckpointError], fragment: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(folder)
    assert type(caught.value) is kind
    assert fragment in caught.value.message
    assert caught.value.hint
    assert caught.value.message.isascii()


UNUSABLE: dict[str, tuple[object, str]] = {
    "invalid JSON": (b'{"weight_map": {}}}', "character 18 of 19"),
    "a list": ([], "2 bytes hold a list"),
    "nested deeply": (b"[" * 100_000, "100000 bytes"),
    "a name twice": (b'{"weight_map": {"a": "b", "a": "c"}}', "more than once among 2"),
    "no weight map": ({"metadata": {}}, "weight_map is missing"),
    "weight map is a list": ({"weight_map": ["w0"]}, "weight_map is a list"),
    "weight map is empty": ({"weight_map": {}}, "weight_map is a dict"),
    "shard is a number": ({"weight_map": {"w0": 1, "w1": SHARDS[1]}}, "for 1 of 2 tensors, such as 'w0'"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_an_index_without_shards_that_cannot_be_read(tmp_path: Path, case: str) -> None:
    document, fragment = UNUSABLE[case]
    index(tmp_path, document)
    fails(tmp_path, CorruptCheckpoint, fragment)
    fails(tmp_path / INDEX, CorruptCheckpoint, fragment)


CONTRADICTORY: dict[str, tuple[dict[str, str], str]] = {
    "one shard is missing": ({"w0": SHARDS[0], "w1": SHARDS[1], "v": "other"}, "1 of 3 shards"),
    "all shards are missing": ({f"w{at}": f"shard-{at}" for at in range(5)}, "the first is 'shard-0'"),
    "a shard lacks a tensor": ({"w0": SHARDS[0], "w1": SHARDS[1], "v": SHARDS[1]}, "1 of 3 tensors are not"),
    "a tensor is elsewhere": ({"w0": SHARDS[1], "w1": SHARDS[0]}, "2 of 2 tensors are not"),
    "parent folder": ({"w0": "../model/" + SHARDS[0]}, "outside of it"),
    "absolute path": ({"w0": "/etc/hostname"}, "'/etc/hostname' (13 characters)"),
    "backslashes": ({"w0": "..\\secret"}, "outside of it"),
    "an empty name": ({"w0": ""}, "(0 characters)"),
    "a null byte": ({"w0": "a\0b"}, r"'a\x00b'"),
    "half of a surrogate pair": ({"w0": "\ud800"}, r"'\ud800' (1 characters)"),
    "a very long name": ({"w0": "x" * 5000}, "5000 characters"),
    "the folder itself": ({"w0": "."}, "1 of 1 shards"),
}


@pytest.mark.parametrize("case", CONTRADICTORY)
def test_an_index_that_contradicts_the_folder(model: Path, case: str) -> None:
    weight_map, fragment = CONTRADICTORY[case]
    index(model, {"weight_map": weight_map})
    fails(model, CorruptCheckpoint, fragment)


def test_a_tensor_in_two_shards(model: Path) -> None:
    safetensors.numpy.save_file({"w0": np.ones(2), "w1": np.ones(2)}, model / SHARDS[1])
    fails(model, CorruptCheckpoint, "1 tensors are in two shards: 'w0'")
    index(model, {"weight_map": {"w0": SHARDS[0], "w1": SHARDS[1]}})
    fails(model, CorruptCheckpoint, "1 tensors are in two shards: 'w0'")


def test_a_missing_shard_without_an_index(model: Path) -> None:
    (model / SHARDS[0]).unlink()
    fails(model, CorruptCheckpoint, "1 of 2 shards")


def test_an_index_that_is_too_large(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index(model, {"weight_map": {f"w{at}": f"shard-{at}" for at in range(10_001)}})
    fails(model, LimitExceeded, "10001 shards, more than 10000")
    monkeypatch.setattr(shard_index, "MAX_INDEX", 1000)
    fails(model, LimitExceeded, "bytes, more than 1000")


def test_a_folder_with_too_many_files(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "MAX_ENTRIES", 1)
    fails(model, LimitExceeded, "more than 1 entries")


@pytest.mark.parametrize("indexed", [True, False])
def test_a_link_that_leaves_the_folder_is_refused(model: Path, tmp_path: Path, indexed: bool) -> None:
    secret = tmp_path / "secret.safetensors"
    (model / SHARDS[1]).rename(secret)
    (model / SHARDS[1]).symlink_to(secret)
    if indexed:
        index(model, {"weight_map": {"w0": SHARDS[0], "w1": SHARDS[1]}})
    fails(model, CorruptCheckpoint, "is a link to")
    assert open_checkpoint(model / SHARDS[1]).rows("w1", 0, 2).tolist() == [1, 1]


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_links_that_lead_nowhere_or_to_themselves(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to("nothing")
    for place in (tmp_path, tmp_path / name):
        fails(place, NotACheckpoint, "a link to a file that is not there")
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to(name)
    for place, kind in ((tmp_path, CorruptCheckpoint), (tmp_path / name, NotACheckpoint)):
        fails(place, kind, "link")
    index(tmp_path, {"weight_map": {"w": name}})
    with pytest.raises(CorruptCheckpoint):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize("inside", [True, False])
def test_the_blobs_of_a_hub_cache_may_be_linked_to(tmp_path: Path, model: Path, inside: bool) -> None:
    repository = tmp_path / "models--org--name"
    snapshot = repository / "snapshots" / ("0" * 40)
    blobs = (repository if inside else tmp_path / "models--org--other") / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir(parents=True)
    for at, shard in enumerate(SHARDS):
        (model / shard).rename(blobs / (f"{at}" * 64))
        (snapshot / shard).symlink_to(blobs / (f"{at}" * 64))
    (blobs / "config").write_text('{"model_type": "llama"}')
    (snapshot / "config.json").symlink_to(blobs / "config")
    index(snapshot, {"weight_map": {"w0": SHARDS[0], "w1": SHARDS[1]}})
    if inside:
        checkpoint = open_checkpoint(snapshot)
        assert checkpoint.rows("w1", 0, 2).tolist() == [1, 1]
        assert checkpoint.origin.config == {"model_type": "llama"}
    else:
        fails(snapshot, CorruptCheckpoint, "is a link to")


def test_a_configuration_that_leaves_the_folder_is_left_out(model: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text("{}")
    (model / "config.json").symlink_to(tmp_path / "secret.json")
    assert [finding.code for finding in open_checkpoint(model).origin.findings] == ["config-unreadable"]


def test_an_empty_folder(tmp_path: Path) -> None:
    fails(tmp_path, NotACheckpoint, "0 files with weights")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    fails(tmp_path, NotACheckpoint, "0 files with weights")
