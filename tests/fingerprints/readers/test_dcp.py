"""Checkpoints of torch.distributed, written by PyTorch itself, read without loading the pickle in them."""

from __future__ import annotations

import pickle
import time
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint as dcp
from safetensors.torch import load_file
from torch.distributed.checkpoint.metadata import (
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorProperties,
    TensorStorageMetadata,
)

from fingerprints.errors import CheckpointError, CorruptCheckpoint, UnreadableTensor
from fingerprints.readers import open_checkpoint
from provenance import Relation, compare

BASES = Path(__file__).parents[3] / "bench" / "data" / "bases"
BASE = BASES / "llama-0"


def save(folder: Path, state: dict[str, Any]) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcp.save(state, checkpoint_id=folder, no_dist=True)
    return folder


def edit(folder: Path, change: Any) -> None:
    path = folder / ".metadata"
    metadata = pickle.loads(path.read_bytes())
    change(metadata)
    path.write_bytes(pickle.dumps(metadata))


def write_sharded(folder: Path, tensor: torch.Tensor, row_cuts: list[int], column_cuts: list[int]) -> Path:
    """A grid of chunks in two files, as several ranks would write it, with the classes of PyTorch."""
    folder.mkdir()
    files = {name: (folder / name).open("wb") for name in ("__0_0.distcp", "__1_0.distcp")}
    chunks, places = [], {}
    template = save(folder.parent / "template", {"w": torch.ones(1)})
    kind = type(next(iter(pickle.loads((template / ".metadata").read_bytes()).storage_data.values())))
    for at, (top, bottom) in enumerate(pairwise(row_cuts)):
        for left, right in pairwise(column_cuts):
            name = f"__{at % 2}_0.distcp"
            start = files[name].tell()
            torch.save(tensor[top:bottom, left:right].clone(), files[name])
            shape = torch.Size((bottom - top, right - left))
            chunks.append(ChunkStorageMetadata(offsets=torch.Size((top, left)), sizes=shape))
            places[MetadataIndex("w", torch.Size((top, left)))] = kind(name, start, files[name].tell() - start)
    for file in files.values():
        file.close()
    described = TensorStorageMetadata(properties=TensorProperties(dtype=tensor.dtype), size=tensor.shape, chunks=chunks)
    metadata = Metadata(state_dict_metadata={"w": described}, storage_data=places)
    (folder / ".metadata").write_bytes(pickle.dumps(metadata))
    return folder


def test_what_pytorch_wrote_is_the_model(tmp_path: Path) -> None:
    base = load_file(BASE / "model.safetensors")
    optimizer = {"state": {"lm_head.weight": {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]}
    folder = save(tmp_path / "dcp", {"model": base, "optim": optimizer, "step": 7})
    with open_checkpoint(folder) as checkpoint:
        assert checkpoint.origin.format == "distributed-checkpoint"
        assert set(checkpoint.tensors) == set(base)
        assert not checkpoint.origin.findings
        for name, expected in base.items():
            assert checkpoint.tensors[name].shape == tuple(expected.shape)
            rows = checkpoint.rows(name, 0, expected.shape[0]).astype("float32")
            assert torch.equal(torch.from_numpy(rows), expected.float())
    assert compare(folder, BASE).verdict.relation is Relation.IDENTICAL
    assert compare(folder, BASES / "llama-1").verdict.relation is Relation.INDEPENDENT


@pytest.mark.parametrize("columns", [[0, 40], [0, 13, 40]])
def test_chunks_are_joined_on_both_axes(tmp_path: Path, columns: list[int]) -> None:
    tensor = torch.randn(30, 40, generator=torch.Generator().manual_seed(0))
    folder = write_sharded(tmp_path / "dcp", tensor, [0, 7, 14, 30], columns)
    loaded = {"w": torch.zeros(30, 40)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dcp.load(loaded, checkpoint_id=folder, no_dist=True)
    with open_checkpoint(folder) as checkpoint:
        assert torch.equal(torch.from_numpy(checkpoint.rows("w", 0, 30)), loaded["w"])
        before = checkpoint.bytes_read
        some = [6, 7, 13, 29]
        assert torch.equal(torch.from_numpy(checkpoint.take("w", some)), tensor[some])
        assert checkpoint.bytes_read - before == len(some) * 40 * 4


def test_what_is_not_whole_is_unreadable_alone(tmp_path: Path) -> None:
    folder = save(tmp_path / "dcp", {name: torch.arange(12.0).reshape(4, 3) for name in "abcdefg"})

    def change(metadata: Any) -> None:
        described = metadata.state_dict_metadata
        places = {index.fqn: place for index, place in metadata.storage_data.items()}
        places["a"].length = 1 << 40
        places["b"].relative_path = "../outside"
        described["c"].chunks[0].sizes = torch.Size((3, 3))
        described["d"].size = torch.Size((1 << 30, 1 << 30))
        described["e"].chunks = described["e"].chunks * 2
        places["f"].relative_path = "__9_9.distcp"

    edit(folder, change)
    reasons = {"a": "needs bytes up to", "b": "outside", "c": "fill", "d": "fill", "e": "fill", "f": "no file"}
    with open_checkpoint(folder) as checkpoint:
        for name, reason in reasons.items():
            with pytest.raises(UnreadableTensor, match=reason):
                checkpoint.rows(name, 0, 1)
        assert checkpoint.rows("g", 1, 2).tolist() == [[3, 4, 5]]


def test_descriptions_that_would_take_forever_to_follow(tmp_path: Path) -> None:
    folder = save(tmp_path / "dcp", {name: torch.arange(12.0).reshape(4, 3) for name in "abcd"})
    doubled: tuple[Any, ...] = ()
    for _ in range(60):
        doubled = (doubled, doubled)

    def change(metadata: Any) -> None:
        described = metadata.state_dict_metadata
        metadata.planner_data = {"a": (doubled,)}
        described["b"].size = torch.Size([1 << 59] * 4000)
        described["c"].chunks[0].sizes = torch.Size([1 << 59] * 4000)
        described["d"].chunks = described["d"].chunks * 1_000_000

    edit(folder, change)
    start = time.process_time()
    with open_checkpoint(folder) as checkpoint:
        assert checkpoint.rows("a", 1, 2).tolist() == [[3, 4, 5]]
        for name, reason in {"b": "4000 lengths", "c": "list of places", "d": "1000000 chunks"}.items():
            with pytest.raises(UnreadableTensor, match=reason):
                checkpoint.rows(name, 0, 1)
    assert time.process_time() - start < 5


def test_a_description_that_the_chunk_contradicts(tmp_path: Path) -> None:
    folder = save(tmp_path / "dcp", {"w": torch.ones(4, 3), "v": torch.ones(2)})

    def change(metadata: Any) -> None:
        described = metadata.state_dict_metadata["w"]
        described.size = described.chunks[0].sizes = torch.Size((3, 4))

    edit(folder, change)
    with open_checkpoint(folder) as checkpoint:
        with pytest.raises(UnreadableTensor, match=r"F32 \(3, 4\) is described"):
            checkpoint.rows("w", 0, 1)
        assert checkpoint.rows("v", 0, 2).tolist() == [1, 1]


class Marker:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.path), "w"))


def test_the_pickle_is_not_loaded(tmp_path: Path) -> None:
    folder = save(tmp_path / "dcp", {"w": torch.ones(4, 3)})
    edit(folder, lambda metadata: setattr(metadata, "planner_data", Marker(tmp_path / "ran")))
    with open_checkpoint(folder) as checkpoint:
        assert [finding.code for finding in checkpoint.origin.findings] == ["pickle-dangerous-import"]
        assert checkpoint.rows("w", 0, 1).tolist() == [[1, 1, 1]]
    assert not (tmp_path / "ran").exists()


def test_broken_metadata(tmp_path: Path) -> None:
    folder = save(tmp_path / "dcp", {"w": torch.ones(4, 3)})
    path = folder / ".metadata"
    content = path.read_bytes()
    for stop in range(0, len(content), 37):
        path.write_bytes(content[:stop])
        with pytest.raises(CheckpointError):
            open_checkpoint(folder)
    path.write_bytes(b"\x80\x02N.")
    with pytest.raises(CorruptCheckpoint, match="does not describe a state dict"):
        open_checkpoint(folder)
