"""What safetensors writes is read back: every type, by rows, by blocks, and in shards."""

from __future__ import annotations

import json
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import UnreadableTensor, UsageError
from fingerprints.readers import open_checkpoint

NUMPY_TYPES = [
    "bool", "uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64",
    "complex64",
]  # fmt: skip
RAW_TYPES = {
    "BF16": ml_dtypes.bfloat16,
    "F8_E4M3": ml_dtypes.float8_e4m3fn,
    "F8_E5M2": ml_dtypes.float8_e5m2,
    "F8_E8M0": ml_dtypes.float8_e8m0fnu,
    "F8_E4M3FNUZ": ml_dtypes.float8_e4m3fnuz,
    "F8_E5M2FNUZ": ml_dtypes.float8_e5m2fnuz,
}


def write(path: Path, entries: dict[str, object], data: bytes) -> Path:
    header = json.dumps(entries).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    return path


arrays = st.sampled_from(NUMPY_TYPES).flatmap(
    lambda kind: hnp.arrays(np.dtype(kind), hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
)


@settings(deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__"), arrays, min_size=1))
def test_what_the_library_writes_is_read_back(tmp_path_factory: pytest.TempPathFactory, written: dict) -> None:
    path = tmp_path_factory.mktemp("library") / "model.safetensors"
    safetensors.numpy.save_file(written, path)
    with open_checkpoint(path) as checkpoint:
        assert isinstance(checkpoint, Checkpoint)
        assert set(checkpoint.tensors) == set(written)
        for name, expected in written.items():
            assert checkpoint.tensors[name].shape == expected.shape
            count = expected.shape[0] if expected.shape else 1
            whole = checkpoint.rows(name, 0, count)
            assert whole.dtype == expected.dtype
            assert whole.tobytes() == expected.tobytes()
            assert whole.shape == (count, *expected.shape[1:])
            every_other = checkpoint.take(name, range(0, count, 2))
            assert every_other.tobytes() == expected.reshape(whole.shape)[::2].tobytes()
            parts = list(checkpoint.blocks(name, max_bytes=32))
            assert all(part.nbytes <= 32 and part.ndim == 1 for part in parts)
            assert b"".join(part.tobytes() for part in parts) == expected.tobytes()


@pytest.mark.parametrize("name", RAW_TYPES)
def test_small_floats_have_their_own_type(tmp_path: Path, name: str) -> None:
    data = bytes(range(192))
    expected = np.frombuffer(data, RAW_TYPES[name])
    shape = [expected.size // 4, 4]
    path = write(tmp_path / "w", {"w": {"dtype": name, "shape": shape, "data_offsets": [0, 192]}}, data)
    checkpoint = open_checkpoint(path)
    assert checkpoint.tensors["w"].dtype == name
    rows = checkpoint.take("w", [1, 2, 7])
    assert rows.dtype == RAW_TYPES[name]
    assert rows.tobytes() == expected.reshape(shape)[[1, 2, 7]].tobytes()


def test_packed_fp4_has_the_low_half_of_a_byte_first(tmp_path: Path) -> None:
    path = write(tmp_path / "w", {"w": {"dtype": "F4", "shape": [2, 4], "data_offsets": [0, 4]}}, b"\x21\x43\x65\xf7")
    checkpoint = open_checkpoint(path)
    expected = np.array([[0.5, 1, 1.5, 2], [3, 4, 6, -6]])
    assert checkpoint.rows("w", 0, 2).dtype == ml_dtypes.float4_e2m1fn
    np.testing.assert_array_equal(checkpoint.rows("w", 0, 2).astype(float), expected)
    np.testing.assert_array_equal(checkpoint.take("w", [1]).astype(float), expected[1:])
    np.testing.assert_array_equal(np.concatenate(list(checkpoint.blocks("w", 2))).astype(float), expected.reshape(-1))


@pytest.mark.parametrize(("dtype", "shape", "length"), [("F6_E2M3", [4], 3), ("F6_E3M2", [2, 2], 3), ("F4", [2, 1], 1)])
def test_a_type_that_is_not_decoded_spoils_its_tensor_only(
    tmp_path: Path, dtype: str, shape: list[int], length: int
) -> None:
    entries = {
        "odd": {"dtype": dtype, "shape": shape, "data_offsets": [0, length]},
        "plain": {"dtype": "U8", "shape": [2], "data_offsets": [length, length + 2]},
    }
    checkpoint = open_checkpoint(write(tmp_path / "w", entries, bytes(length) + b"\x01\x02"))
    with pytest.raises(UnreadableTensor, match=dtype) as caught:
        checkpoint.rows("odd", 0, 1)
    assert caught.value.tensor == "odd"
    assert checkpoint.rows("plain", 0, 2).tolist() == [1, 2]


def test_a_truth_value_is_zero_or_not(tmp_path: Path) -> None:
    path = write(tmp_path / "w", {"w": {"dtype": "BOOL", "shape": [3], "data_offsets": [0, 3]}}, b"\x00\x02\xff")
    assert open_checkpoint(path).rows("w", 0, 3).view(np.uint8).tolist() == [0, 1, 1]


def test_metadata_and_unclaimed_bytes_are_reported(tmp_path: Path) -> None:
    entries = {
        "__metadata__": {"format": "pt", "odd": 3},
        "w": {"dtype": "U8", "shape": [2], "data_offsets": [1, 3]},
    }
    checkpoint = open_checkpoint(write(tmp_path / "w", entries, b"\x09\x01\x02\x09\x09"))
    assert checkpoint.origin.metadata == {"format": "pt"}
    assert [finding.code for finding in checkpoint.origin.findings] == ["metadata-unreadable", "unclaimed-bytes"]
    assert "3 of 5 bytes" in checkpoint.origin.findings[1].message


def test_a_name_that_is_not_there_is_the_caller_s_mistake(tmp_path: Path) -> None:
    path = write(tmp_path / "w", {"w": {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]}}, b"ab")
    checkpoint = open_checkpoint(path)
    with pytest.raises(UsageError, match="1"):
        checkpoint.rows("v", 0, 1)
    for indices in ([2], [-1], [1, 0], [0, 0]):
        with pytest.raises(IndexError):
            checkpoint.take("w", indices)
    with pytest.raises(IndexError):
        checkpoint.rows("w", 1, 3)


def test_reading_rows_of_a_huge_file_costs_those_rows(tmp_path: Path) -> None:
    rows, width = 1 << 23, 4096
    size = rows * width * 2
    path = write(tmp_path / "w", {"w": {"dtype": "BF16", "shape": [rows, width], "data_offsets": [0, size]}}, b"")
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + size)
    tracemalloc.start()
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.bytes_read == 0
        found = checkpoint.take("w", np.linspace(0, rows - 1, 128).astype(np.int64))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found.shape == (128, width)
        assert checkpoint.bytes_total == size == 1 << 36
        assert checkpoint.bytes_read == found.nbytes == 1 << 20
    assert peak < 4 * found.nbytes


def test_threads_may_read_at_once_and_are_counted(tmp_path: Path) -> None:
    expected = np.arange(64 * 1000, dtype=np.int32).reshape(1000, 64)
    safetensors.numpy.save_file({"w": expected}, tmp_path / "model.safetensors")
    with open_checkpoint(tmp_path) as checkpoint, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda at: checkpoint.rows("w", at, at + 10), range(0, 1000, 10)))
        np.testing.assert_array_equal(np.concatenate(found), expected)
        assert checkpoint.bytes_read == expected.nbytes


@pytest.mark.parametrize("indexed", [True, False])
def test_shards_make_one_checkpoint(tmp_path: Path, indexed: bool) -> None:
    names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    safetensors.numpy.save_file({"a": np.ones(3, np.float32), "b": np.zeros(2, np.int8)}, tmp_path / names[0])
    safetensors.numpy.save_file({"c": np.full((2, 2), 7, np.int64)}, tmp_path / names[1])
    weight_map = {"a": names[0], "b": names[0], "c": names[1]}
    index = tmp_path / "model.safetensors.index.json"
    if indexed:
        index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    for path in (tmp_path, index) if indexed else (tmp_path,):
        checkpoint = open_checkpoint(path)
        assert {name: info.shard for name, info in checkpoint.tensors.items()} == weight_map
        assert checkpoint.origin.shards == tuple(names)
        assert checkpoint.origin.findings == ()
        assert [known.name for known in checkpoint.origin.weight_sets] == ["model.safetensors"]
        assert checkpoint.rows("c", 1, 2).tolist() == [[7, 7]]
    alone = open_checkpoint(tmp_path / names[1])
    assert list(alone.tensors) == ["c"]
    assert [finding.code for finding in alone.origin.findings] == ["single-shard"]
