"""Names that take long to understand are refused, those of nodes as well: one file may hold a great many."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import safetensors.numpy

from fingerprints.errors import LimitExceeded
from fingerprints.layouts import layouts_in
from fingerprints.readers import open_checkpoint
from fingerprints.readers.name_length import MAX_NAME
from tests import ggufs
from tests.onnx_files import attribute, graph, model, node, tensor

ONE = np.ones((2, 2), np.float32)
WRITERS: dict[str, Callable[[str], bytes]] = {
    "model.safetensors": lambda name: safetensors.numpy.save({name: ONE}),
    "model.gguf": lambda name: ggufs.raw([], [ggufs.entry(name)], bytes(8)),
    "model.onnx": lambda name: model(graph([], [tensor(name, ONE)])),
}


@pytest.mark.parametrize("file", WRITERS)
@pytest.mark.parametrize("part", ["0.", "a.0.", "_", "x"])
def test_a_long_name_is_refused_and_the_longest_is_not(tmp_path: Path, file: str, part: str) -> None:
    path = tmp_path / file
    path.write_bytes(WRITERS[file]((part * 30_000)[:30_000]))
    start = time.process_time()
    with pytest.raises(LimitExceeded, match="a name of 30000 characters, more than 512"):
        open_checkpoint(path)
    longest = (part * MAX_NAME)[:MAX_NAME]
    path.write_bytes(WRITERS[file](longest))
    with open_checkpoint(path) as checkpoint:
        assert list(checkpoint.tensors) == [longest]
        layouts_in(checkpoint)
    assert time.process_time() - start < 2


def test_the_names_of_nodes_cost_little(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(model(graph([node("MatMul", ["x", "w"], ["y"], name="/a" * 30_000)], [tensor("w", ONE)])))
    start = time.process_time()
    assert list(open_checkpoint(path).tensors) == ["w"]
    assert time.process_time() - start < 2


def nested(path: Path, prefix: str, count: int) -> None:
    tensors = [tensor(f"w{at}", np.float32(1)) for at in range(count)]
    path.write_bytes(
        model(graph([node("If", ["c"], ["y"], attribute("then", graph([], tensors), 6), name=prefix)], []))
    )


def groups(path: Path, prefix: str, count: int) -> None:
    with h5py.File(path, "w") as file:
        group = file.create_group(prefix)
        for at in range(count):
            group[f"w{at}"] = np.float32(1)


@pytest.mark.parametrize(("file", "write"), [("model.onnx", nested), ("model.weights.h5", groups)])
def test_many_names_that_begin_alike_cost_little(
    tmp_path: Path, file: str, write: Callable[[Path, str, int], None]
) -> None:
    path = tmp_path / file
    write(path, "a" * 30_000, 1000)
    tracemalloc.start()
    with pytest.raises(LimitExceeded, match="more than 512"):
        open_checkpoint(path)
    assert tracemalloc.get_traced_memory()[1] < 20 << 20
    tracemalloc.stop()
