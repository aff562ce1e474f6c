"""Tensors without elements may claim lengths that no array has: they cost nothing, and nothing but themselves."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import msgpack
import numpy as np
import pytest

from fingerprints.checkpoint import TensorInfo
from fingerprints.errors import UnreadableTensor
from fingerprints.readers import open_checkpoint
from fingerprints.readers.decoded_tensor import DecodedTensor

HUGE = (1 << 62) - 1


def safetensors(path: Path, shape: list[int]) -> Path:
    entries = {"bad": {"shape": shape, "data_offsets": [0, 0]}, "good": {"shape": [2], "data_offsets": [0, 8]}}
    header = json.dumps({name: {"dtype": "F32", **entry} for name, entry in entries.items()}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + np.ones(2, np.float32).tobytes())
    return path


def flax(path: Path, shape: list[int]) -> Path:
    arrays = {"bad": (shape, b""), "good": ([2], np.ones(2, np.float32).tobytes())}
    packed = {
        name: msgpack.ExtType(1, msgpack.packb((lengths, "float32", data))) for name, (lengths, data) in arrays.items()
    }
    path = path.with_suffix(".msgpack")
    path.write_bytes(msgpack.packb({"params": packed}))
    return path


@pytest.mark.parametrize("shape", [[0, HUGE], [HUGE, 0], [1 << 20, 1 << 20, 0, 1 << 20]])
@pytest.mark.parametrize("write", [safetensors, flax])
def test_impossible_lengths_spoil_one_tensor(
    tmp_path: Path, write: Callable[[Path, list[int]], Path], shape: list[int]
) -> None:
    with open_checkpoint(write(tmp_path / "model", shape)) as checkpoint:
        for read in (lambda: checkpoint.take("bad", []), lambda: checkpoint.rows("bad", 0, 0)):
            with pytest.raises(UnreadableTensor, match=r"its lengths multiply to over 2\*\*48"):
                read()
        assert checkpoint.rows("good", 0, 2).tolist() == [1, 1]


@pytest.mark.parametrize("shape", [(0, 1 << 48), (1 << 48, 0)])
def test_possible_lengths_hold_nothing(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with open_checkpoint(safetensors(tmp_path / "model", list(shape))) as checkpoint:
        assert checkpoint.take("bad", []).shape == (0, *shape[1:])
        assert list(checkpoint.blocks("bad")) == []


def test_rows_of_nothing_are_not_counted_one_by_one() -> None:
    info = TensorInfo(name="w", shape=(1 << 48, 0), dtype="F32", shard="", nbytes=0)
    tensor = DecodedTensor(info=info, decode=lambda rows: (np.empty((len(rows), 0), np.float32), 0), row_bytes=0)
    start = time.process_time()
    assert sum(block.size for block, _ in tensor.blocks(100)) == 0
    assert time.process_time() - start < 1
