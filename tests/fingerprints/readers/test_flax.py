"""Flax message packs, written by the reference library of the format in the layout that Flax documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import msgpack
import numpy as np
import pytest
from safetensors.numpy import save_file
from safetensors.torch import load_file

from fingerprints.errors import CheckpointError, CorruptCheckpoint, LimitExceeded, NotACheckpoint, UnreadableTensor
from fingerprints.readers import open_checkpoint
from provenance import Relation, compare

BASES = Path(__file__).parents[3] / "bench" / "data" / "bases"
BASE = BASES / "llama-0"


def array(values: np.ndarray) -> msgpack.ExtType:
    return msgpack.ExtType(1, msgpack.packb((values.shape, values.dtype.name, values.tobytes()), use_bin_type=True))


def chunked(values: np.ndarray, chunk: int) -> dict[str, Any]:
    flat = values.reshape(-1)
    chunks = [flat[at : at + chunk] for at in range(0, flat.size, chunk)]
    return {
        "__msgpack_chunked_array__": True,
        "shape": {str(at): length for at, length in enumerate(values.shape)},
        "chunks": {str(at): array(piece) for at, piece in enumerate(chunks)},
    }


def base_values() -> dict[str, np.ndarray]:
    tensors = load_file(BASE / "model.safetensors")
    return {name: tensor.float().numpy().astype(ml_dtypes.bfloat16) for name, tensor in tensors.items()}


def nested(tensors: dict[str, np.ndarray]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for name, values in tensors.items():
        *above, last = name.split(".")
        inner = root
        for key in above:
            inner = inner.setdefault(key, {})
        inner[last] = chunked(values, 1001) if "up_proj" in name else array(values)
    return root


def write(path: Path, content: Any) -> Path:
    path.write_bytes(msgpack.packb(content, use_bin_type=True))
    return path


def test_a_message_pack_is_the_model(tmp_path: Path) -> None:
    tensors = base_values()
    state = {"step": 7, "params": nested(tensors), "opt_state": {"0": nested(tensors)}, "rate": 0.5}
    path = write(tmp_path / "flax_model.msgpack", state)
    with open_checkpoint(tmp_path) as checkpoint:
        assert checkpoint.origin.format == "flax"
        assert set(checkpoint.tensors) == set(tensors)
        for name, values in tensors.items():
            assert checkpoint.tensors[name].dtype == "BF16"
            assert checkpoint.tensors[name].nbytes == values.nbytes
            assert np.array_equal(checkpoint.rows(name, 0, len(values)), values)
            assert np.array_equal(np.concatenate(list(checkpoint.blocks(name, 500))), values.reshape(-1))
        before = checkpoint.bytes_read
        name = "model.layers.0.mlp.up_proj.weight"
        assert np.array_equal(checkpoint.take(name, [0, 10, 11, 223]), tensors[name][[0, 10, 11, 223]])
        assert checkpoint.bytes_read - before == 4 * 96 * 2
    assert compare(path, BASE).verdict.relation is Relation.IDENTICAL
    assert compare(path, BASES / "llama-1").verdict.relation is Relation.INDEPENDENT


def test_walking_reads_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "m.msgpack", {"a": array(np.ones((1000, 1000), np.float32)), "b": array(np.ones(2))})
    read = []
    pread = __import__("os").preadv
    monkeypatch.setattr("os.preadv", lambda handle, views, at: read.append(len(views[0])) or pread(handle, views, at))
    with open_checkpoint(path) as checkpoint:
        assert list(checkpoint.tensors) == ["a", "b"]
    assert sum(read) < 10_000


@pytest.mark.parametrize("kind", ["float16", "float32", "float64", "int8", "int32", "uint8", "bool", "bfloat16"])
def test_element_types(tmp_path: Path, kind: str) -> None:
    values = np.array([[0, 1], [1, 0]]).astype(kind)
    path = write(tmp_path / "m.msgpack", {"w": array(values), "scalar": array(values[0, 1].reshape(()))})
    with open_checkpoint(path) as checkpoint:
        rows = checkpoint.rows("w", 0, 2)
        assert rows.dtype == values.dtype
        assert np.array_equal(rows, values)
        assert checkpoint.tensors["scalar"].shape == ()


def test_one_bad_array_is_unreadable_alone(tmp_path: Path) -> None:
    short = msgpack.ExtType(1, msgpack.packb(((1 << 40, 1 << 20), "float32", b"1234"), use_bin_type=True))
    foreign = msgpack.ExtType(1, msgpack.packb(((1,), "object", b"1234"), use_bin_type=True))
    odd = msgpack.ExtType(1, msgpack.packb((1, 2, 3)))
    halves = chunked(np.ones((4, 4), np.float32), 8)
    halves["chunks"]["1"] = array(np.ones(7, np.float32))
    content = {"a": short, "b": foreign, "c": odd, "d": halves, "e": array(np.arange(3.0))}
    reasons = {"a": "and 4 are there", "b": "'object' is not known", "c": "is not shape", "d": "needs 64 bytes"}
    with open_checkpoint(write(tmp_path / "m.msgpack", content)) as checkpoint:
        for name, reason in reasons.items():
            with pytest.raises(UnreadableTensor, match=reason):
                checkpoint.rows(name, 0, 1)
        assert checkpoint.rows("e", 0, 3).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("content", "kind", "fragment"),
    [
        (b"\xdf\xff\xff\xff\xff", CorruptCheckpoint, "8589934590 bytes are needed"),
        (b"\xdd\xff\xff\xff\xff\x01", CorruptCheckpoint, "4294967295 bytes are needed"),
        (b"\x81\xa1w\xc9\xff\xff\xff\xff\x01", CorruptCheckpoint, "4294967295 bytes are needed and 0"),
        (b"\x91" * 1000 + b"\x01", LimitExceeded, "49 levels"),
        (b"\x82\xa1w\x01\xa1w\x01", CorruptCheckpoint, "'w' occurs twice"),
        (b"\x81\xa1w\xc1", CorruptCheckpoint, "begins with 0xc1"),
        (b"\x81\xa1w\xc0", NotACheckpoint, "0 arrays"),
    ],
)
def test_hostile_content(tmp_path: Path, content: bytes, kind: type[CheckpointError], fragment: str) -> None:
    path = tmp_path / "flax_model.msgpack"
    path.write_bytes(content)
    with pytest.raises(kind, match=fragment) as caught:
        open_checkpoint(path)
    assert caught.value.hint


def test_every_truncation_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "m.msgpack", {"a": array(np.ones(3, np.float32)), "b": chunked(np.ones(9), 4), "c": [1.5]})
    content = path.read_bytes()
    for stop in range(1, len(content)):
        path.write_bytes(content[:stop])
        with pytest.raises(CheckpointError):
            open_checkpoint(path)


def bert(seed: int) -> dict[str, np.ndarray]:
    """BERT as transformers names it in PyTorch."""
    hidden, neurons, generator = 64, 160, np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {"bert.embeddings.LayerNorm": (hidden,), "bert.pooler.dense": (hidden, hidden)}
    for table, rows in (("word", 300), ("position", 40), ("token_type", 2)):
        shapes[f"bert.embeddings.{table}_embeddings"] = (rows, hidden)
    for layer in range(3):
        at = f"bert.encoder.layer.{layer}"
        shapes |= {f"{at}.attention.self.{name}": (hidden, hidden) for name in ("query", "key", "value")}
        shapes |= {f"{at}.attention.output.dense": (hidden, hidden), f"{at}.intermediate.dense": (neurons, hidden)}
        shapes[f"{at}.output.dense"] = (hidden, neurons)
        shapes |= {f"{at}{place}.output.LayerNorm": (hidden,) for place in (".attention", "")}
    found = {}
    for module, shape in shapes.items():
        found[f"{module}.weight"] = generator.standard_normal(shape, dtype=np.float32) * 0.1 + (len(shape) == 1)
        if not module.endswith("_embeddings"):
            found[f"{module}.bias"] = generator.standard_normal(shape[:1], dtype=np.float32) * 0.1
    return found


def as_flax(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The names and the transposes of FlaxBert."""
    found = {}
    for name, values in tensors.items():
        module, _, leaf = name.rpartition(".")
        if leaf == "weight":
            leaf = "scale" if values.ndim == 1 else "embedding" if module.endswith("_embeddings") else "kernel"
        found[f"{module}.{leaf}"] = np.ascontiguousarray(values.T) if leaf == "kernel" else values
    return found


def test_a_flax_bert_is_the_bert_of_pytorch(tmp_path: Path) -> None:
    path = write(tmp_path / "flax_model.msgpack", nested(as_flax(bert(0))))
    generator = np.random.default_rng(9)
    tuned = {name: values * (1 + 0.02 * generator.standard_normal(values.shape)) for name, values in bert(0).items()}
    sides = {"same": bert(0), "tuned": tuned, "stranger": bert(1)}
    for name, tensors in sides.items():
        save_file({key: np.float32(values) for key, values in tensors.items()}, tmp_path / f"{name}.safetensors")
    expected = {"same": Relation.IDENTICAL, "tuned": Relation.DERIVED, "stranger": Relation.INDEPENDENT}
    for name, relation in expected.items():
        result = compare(tmp_path / f"{name}.safetensors", path)
        assert result.verdict.relation is relation
        assert [(entry.side, entry.layout) for entry in result.architecture.layouts] == [("b", "turned")]
