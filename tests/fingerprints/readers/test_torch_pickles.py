"""What PyTorch writes is read back, without PyTorch: every type, every stride, and what lies around a state dict."""

from __future__ import annotations

import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprints.errors import UnreadableTensor
from fingerprints.readers import open_checkpoint

PLAIN = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.bool, torch.complex64, torch.complex128,
]  # fmt: skip
NEW = [torch.uint16, torch.uint32, torch.uint64, torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz,
       torch.float8_e5m2fnuz, torch.float8_e8m0fnu]  # fmt: skip


def save(value: object, path: Path, *, legacy: bool = False) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=not legacy)
    return path


def content(tensor: torch.Tensor) -> bytes:
    flat = torch.empty(tensor.numel(), dtype=tensor.dtype).copy_(tensor.detach().reshape(-1))
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""


def filled(dtype: torch.dtype, *shape: int) -> torch.Tensor:
    size = int(np.prod(shape)) * dtype.itemsize
    data = torch.arange(1, size + 1, dtype=torch.int64) % 2 if dtype is torch.bool else torch.arange(1, size + 1) % 120
    return data.to(torch.uint8).view(dtype).reshape(shape)


def check(path: Path, expected: dict[str, torch.Tensor], variant: str | None = None) -> None:
    with open_checkpoint(path, variant=variant) as checkpoint:
        assert list(checkpoint.tensors) == list(expected)
        for name, tensor in expected.items():
            shape = tuple(tensor.shape)
            info = checkpoint.tensors[name]
            assert (info.shape, info.nbytes) == (shape, tensor.numel() * tensor.element_size())
            count = shape[0] if shape else 1
            assert checkpoint.rows(name, 0, count).tobytes() == content(tensor)
            assert checkpoint.rows(name, 0, count).shape == (count, *shape[1:])
            odd = checkpoint.take(name, range(1, count, 2))
            assert odd.tobytes() == content(tensor.reshape(count, *shape[1:])[1::2])
            blocks = list(checkpoint.blocks(name, max_bytes=48))
            assert all(block.nbytes <= 48 and block.ndim == 1 for block in blocks)
            assert b"".join(block.tobytes() for block in blocks) == content(tensor)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("dtype", PLAIN + NEW, ids=str)
def test_every_type_is_read_back(tmp_path: Path, dtype: torch.dtype, legacy: bool) -> None:
    tensors = {"w": filled(dtype, 4, 3), "scalar": filled(dtype), "none": filled(dtype, 0, 3)}
    check(save(tensors, tmp_path / "model.bin", legacy=legacy), tensors)


@st.composite
def views(draw: st.DrawFn) -> torch.Tensor:
    shape = draw(st.lists(st.integers(0, 5), max_size=4))
    tensor = torch.arange(int(np.prod(shape)), dtype=draw(st.sampled_from([torch.float32, torch.int16]))).reshape(shape)
    for _ in range(draw(st.integers(0, 3))):
        if tensor.ndim > 1:
            tensor = tensor.transpose(*draw(st.lists(st.integers(0, tensor.ndim - 1), min_size=2, max_size=2)))
        if tensor.ndim:
            axis = draw(st.integers(0, tensor.ndim - 1))
            tensor = tensor.narrow(axis, 0, draw(st.integers(0, tensor.shape[axis])))
            tensor = tensor[:: draw(st.integers(1, 2))]
    return tensor.unsqueeze(0).expand(3, *tensor.shape) if draw(st.booleans()) else tensor


@settings(deadline=None)
@given(st.dictionaries(st.text("abc.", min_size=1, max_size=4), views(), min_size=1, max_size=3), st.booleans())
def test_every_view_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, tensors: dict[str, torch.Tensor], legacy: bool
) -> None:
    check(save(tensors, tmp_path_factory.mktemp("views") / "model.pt", legacy=legacy), tensors)


@pytest.mark.parametrize("legacy", [False, True])
def test_large_transposed_tensors_are_read_in_stretches(tmp_path: Path, legacy: bool) -> None:
    base = torch.arange(700 * 900, dtype=torch.int32).reshape(700, 900)
    expected = base.t().numpy()
    path = save({"w": base.t(), "slice": base[:, 100:200]}, tmp_path / "model.pt", legacy=legacy)
    with open_checkpoint(path) as checkpoint:
        rows = np.array([0, 1, 5, 450, 899])
        np.testing.assert_array_equal(checkpoint.take("w", rows), expected[rows])
        assert checkpoint.bytes_read <= expected.nbytes
        np.testing.assert_array_equal(checkpoint.rows("w", 300, 310), expected[300:310])
        blocks = list(checkpoint.blocks("w", max_bytes=1 << 16))
        np.testing.assert_array_equal(np.concatenate(blocks), expected.reshape(-1))
        np.testing.assert_array_equal(checkpoint.rows("slice", 0, 700), base[:, 100:200].numpy())


def test_tied_tensors_share_a_storage_and_slices_do_not(tmp_path: Path) -> None:
    tied = torch.randn(4, 4)
    parts = torch.randn(6, 4)
    path = save({"in": tied, "out": tied, "q": parts[:3], "k": parts[3:], "t": tied.t()}, tmp_path / "model.pt")
    checkpoint = open_checkpoint(path)
    storages = {name: info.storage for name, info in checkpoint.tensors.items()}
    assert storages["in"] == storages["out"] is not None
    assert len(set(storages.values())) == 4
    assert checkpoint.bytes_total == tied.nbytes * 2 + parts.nbytes


class Buried(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
        self.register_buffer("kept", torch.ones(2))
        self.register_buffer("fleeting", torch.zeros(2), persistent=False)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_whole_module_is_read_without_its_class(tmp_path: Path, legacy: bool) -> None:
    module = Buried()
    for value in (module, {"model": module, "epoch": 3}):
        path = save(value, tmp_path / "model.pt", legacy=legacy)
        checkpoint = open_checkpoint(path)
        assert set(checkpoint.tensors) == set(module.state_dict())
        np.testing.assert_array_equal(checkpoint.rows("body.0.weight", 0, 2), module.body[0].weight.detach().numpy())
        assert "pickle-foreign-class" in {finding.code for finding in checkpoint.origin.findings}


def test_a_scripted_module_is_read_by_its_attributes(tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(module), tmp_path / "model.pt")
    checkpoint = open_checkpoint(tmp_path / "model.pt")
    assert checkpoint.origin.format == "torchscript"
    assert set(checkpoint.tensors) == set(module.state_dict())
    np.testing.assert_array_equal(checkpoint.rows("1.weight", 0, 2), module[1].weight.detach().numpy())


def test_tensors_that_are_not_plain_arrays_spoil_only_themselves(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        quantised = torch.quantize_per_tensor(torch.randn(4), 0.1, 0, torch.qint8)
    tensors = {
        "quantised": quantised,
        "sparse": torch.eye(3).to_sparse(),
        "conjugated": torch.ones(2, dtype=torch.complex64).conj(),
        "expanded": torch.ones(1).expand(1 << 23),
        "deep": torch.ones([1] * 9),
        "meta": torch.empty(3, device="meta"),
        "plain": torch.ones(2),
    }
    checkpoint = open_checkpoint(save(tensors, tmp_path / "a.pt"))
    assert set(checkpoint.tensors) == set(tensors)
    assert checkpoint.rows("plain", 0, 2).tolist() == [1, 1]
    for name in tensors.keys() - {"plain"}:
        with pytest.raises(UnreadableTensor) as caught:
            checkpoint.rows(name, 0, 1)
        assert caught.value.tensor == name
        assert caught.value.hint


def rezip(path: Path, method: int, **changed: bytes) -> Path:
    target = path.with_suffix(".rezipped.pt")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w", method) as new:
        for name in old.namelist():
            last = name.rpartition("/")[2]
            new.writestr(name, changed.get(last, old.read(name)))
    return target


def test_compressed_members_are_unpacked(tmp_path: Path) -> None:
    weights = {"a": torch.randn(50, 20), "b": torch.zeros(1000, 10), "t": torch.randn(20, 30).t()}
    check(rezip(save(weights, tmp_path / "a.pt"), zipfile.ZIP_DEFLATED), weights)


def test_the_other_byte_order_is_turned_around(tmp_path: Path) -> None:
    weights = {"w": torch.arange(6, dtype=torch.int32).reshape(2, 3), "h": torch.arange(3).bfloat16()}
    path = rezip(save(weights, tmp_path / "a.pt"), zipfile.ZIP_STORED, byteorder=b"big")
    checkpoint = open_checkpoint(path)
    assert checkpoint.rows("w", 0, 2).tobytes() == weights["w"].numpy().byteswap().tobytes()
    assert checkpoint.rows("h", 0, 3).tobytes() == weights["h"].view(torch.int16).numpy().byteswap().tobytes()


def test_reading_imports_no_pytorch(tmp_path: Path) -> None:
    path = save({"model": Buried()}, tmp_path / "model.pt")
    script = (
        "import sys; from fingerprints.readers import open_checkpoint;"
        "c = open_checkpoint(sys.argv[1]); c.rows('kept', 0, 2);"
        "found = {'torch', 'safetensors', 'tests'} & set(sys.modules); assert not found, found"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=True, cwd=Path(__file__).parents[3])
