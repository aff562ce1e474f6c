"""Names that take long to understand are refused, those of nodes as well: one file may hold a great many."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from fingerprints.errors import LimitExceeded
from fingerprints.layouts import layouts_in
from fingerprints.readers import open_checkpoint
from fingerprints.readers.name_length import MAX_NAME
from tests import ggufs
from tests.onnx_files import graph, model, node, tensor

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
