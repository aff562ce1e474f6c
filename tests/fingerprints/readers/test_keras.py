"""HDF5 files and Keras archives, written by h5py."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import h5py
import ml_dtypes
import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from fingerprints.errors import CheckpointError, CorruptCheckpoint, NotACheckpoint, UnreadableTensor, UnsupportedFormat
from fingerprints.readers import open_checkpoint
from provenance import Relation, compare

BASES = Path(__file__).parents[3] / "bench" / "data" / "bases"
BASE = BASES / "llama-0"


def write_base(path: Path, **options: object) -> dict[str, np.ndarray]:
    """The base as Keras 3 would write it: bfloat16 as opaque bytes with an attribute, groups by name."""
    tensors = {
        name: tensor.float().numpy().astype(ml_dtypes.bfloat16)
        for name, tensor in load_file(BASE / "model.safetensors").items()
    }
    with h5py.File(path, "w") as file:
        for name, values in tensors.items():
            stored = values.astype(np.float32) if options else values
            dataset = file.create_dataset(name.replace(".", "/"), data=stored, **options)
            if not options:
                dataset.attrs["dtype"] = "bfloat16"
        file["optimizer/vars/0"] = np.ones(3)
        file.attrs["layer_names"] = ["model"]
    return tensors


def archive(path: Path, weights: Path) -> Path:
    with zipfile.ZipFile(path, "w") as target:
        target.writestr("metadata.json", "{}")
        target.write(weights, "model.weights.h5")
    return path


@pytest.mark.parametrize("kind", ["h5", "keras"])
def test_the_weights_are_the_model(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "model.weights.h5"
    tensors = write_base(path)
    if kind == "keras":
        path = archive(tmp_path / "model.keras", path)
    with open_checkpoint(path) as checkpoint:
        assert checkpoint.origin.format == {"h5": "hdf5", "keras": "keras"}[kind]
        assert set(checkpoint.tensors) == set(tensors)
        for name, values in tensors.items():
            assert np.array_equal(checkpoint.rows(name, 0, len(values)), values)
        before = checkpoint.bytes_read
        checkpoint.take("lm_head.weight", [3, 5])
        assert checkpoint.bytes_read - before == 2 * 96 * 2
    assert compare(path, BASE).verdict.relation is Relation.IDENTICAL
    assert compare(path, BASES / "llama-1").verdict.relation is Relation.INDEPENDENT


@pytest.mark.parametrize("options", [{"chunks": True}, {"compression": "gzip", "shuffle": True}])
def test_chunks_and_compression(tmp_path: Path, options: dict[str, object]) -> None:
    path = tmp_path / "tf_model.h5"
    numbers = np.random.default_rng(0).standard_normal((50, 6), dtype=np.float32)
    with h5py.File(path, "w") as file:
        file.create_dataset("model_weights/dense/kernel:0", data=numbers, **options)
        file["model_weights/dense/bias:0"] = numbers[0].astype(">f4")
        file["model_weights/scale"] = np.float32(3)
    with open_checkpoint(path) as checkpoint:
        assert set(checkpoint.tensors) == {"dense.kernel", "dense.bias", "scale"}
        assert np.array_equal(checkpoint.rows("dense.kernel", 0, 50), numbers)
        assert np.array_equal(checkpoint.take("dense.kernel", [1, 7, 49]), numbers[[1, 7, 49]])
        assert np.array_equal(np.concatenate(list(checkpoint.blocks("dense.kernel", 100))), numbers.reshape(-1))
        assert np.array_equal(checkpoint.rows("dense.bias", 0, 6), numbers[0])
        assert checkpoint.rows("scale", 0, 1).tolist() == [3]


def test_nothing_outside_the_file_is_opened(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(np.arange(8, dtype=np.float32).tobytes())
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["w"] = np.ones(3)
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        file["link"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/w")
        file["soft"] = h5py.SoftLink("/w")
        file.create_dataset("outside", (8,), np.float32, external=[(str(secret), 0, 32)])
        layout = h5py.VirtualLayout((3,), np.float64)
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "w", (3,))
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("claimed", (1 << 40,), np.float32)
        file.create_dataset("sparse", (1 << 20, 1 << 20), np.float32, chunks=(16, 16), compression="gzip")
        file["w"] = np.ones(3)
        file["loop/again"] = file["/"]
    with open_checkpoint(path) as checkpoint:
        assert set(checkpoint.tensors) == {"outside", "virtual", "claimed", "sparse", "w"}
        for name in ("outside", "virtual", "claimed", "sparse"):
            with pytest.raises(UnreadableTensor):
                checkpoint.rows(name, 0, 1)
        assert checkpoint.rows("w", 0, 3).tolist() == [1, 1, 1]


def test_truncation(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    write_base(path)
    content = path.read_bytes()
    for stop in (8, 100, 800, 2000, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:stop])
        with pytest.raises(CorruptCheckpoint, match="is broken"):
            open_checkpoint(path)


def test_changed_bytes_never_raise_anything_else(tmp_path: Path) -> None:
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        file["a/b"] = np.arange(6.0)
    content = path.read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(150):
        changed = bytearray(content)
        for at in generator.integers(8, len(content), 3):
            changed[at] = generator.integers(0, 256)
        path.write_bytes(changed)
        try:
            with open_checkpoint(path) as checkpoint:
                for name, info in checkpoint.tensors.items():
                    checkpoint.rows(name, 0, min((1, *info.shape)))
        except CheckpointError:
            pass


def test_archives_without_weights_in_place(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as target:
        target.writestr("config.json", "{}")
    with pytest.raises(NotACheckpoint, match="without model"):
        open_checkpoint(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("model.weights.h5", bytes(10_000))
    with pytest.raises(UnsupportedFormat, match="compressed"):
        open_checkpoint(path)


def test_without_the_library_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.h5"
    write_base(path)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UnsupportedFormat, match="needs the package h5py") as caught:
        open_checkpoint(path)
    assert caught.value.hint == "pip install 'provenance-auditor[formats]'"


def test_another_framework_beside_the_weights_is_no_disagreement(tmp_path: Path) -> None:
    tensors = load_file(BASE / "model.safetensors")
    save_file(tensors, tmp_path / "model.safetensors")
    with h5py.File(tmp_path / "tf_model.h5", "w") as file:
        file["lm_head/kernel:0"] = tensors["lm_head.weight"].float().numpy().T
        file["lm_head.weight"] = np.zeros(3)
    with open_checkpoint(tmp_path) as checkpoint:
        assert checkpoint.origin.format == "safetensors"
        assert not checkpoint.origin.findings
    assert open_checkpoint(tmp_path, variant="tf_model.h5").origin.format == "hdf5"
