"""Pickles of protocols 0 and 1, which are mostly text and have no header."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from pathlib import Path

import pytest
import torch

from fingerprints.errors import CheckpointError, CorruptCheckpoint, LimitExceeded, NotACheckpoint, UnreadableTensor
from fingerprints.readers import open_checkpoint
from tests.fingerprints.readers.test_torch_pickles import check

MAGIC = b"L119547037146038801333356L\n."
NAMES = {"wü": torch.ones(2), "back\\slash\nline": torch.zeros(1), "\u2603": torch.full((3,), 7.0)}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("protocol", [0, 1])
def test_what_torch_writes_is_read(tmp_path: Path, protocol: int, legacy: bool) -> None:
    base = torch.arange(24.0)
    tensors = {
        "turned": base.view(4, 6).T,
        "tail": base[20:],
        "half": torch.randn(3).half(),
        "fp8": torch.randn(4).to(torch.float8_e4m3fn),
        "flags": torch.tensor([True, False]),
        "scalar": torch.tensor(3.5),
        "parameter": torch.nn.Parameter(torch.randn(3, 2)),
        **NAMES,
    }
    state = {"epoch": 3, "big": -(1 << 70), "rate": 0.1, "note": "ü\n", "on": True, "state_dict": OrderedDict(tensors)}
    path = tmp_path / "model.weights"
    torch.save(state, path, pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)
    check(path, tensors)


@pytest.mark.parametrize("legacy", [False, True])
def test_whole_modules_are_read(tmp_path: Path, legacy: bool) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 5))
    torch.save(module, tmp_path / "m.pt", pickle_protocol=0, _use_new_zipfile_serialization=not legacy)
    check(tmp_path / "m.pt", dict(module.state_dict()))


class Runs:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch EXECUTED",)


@pytest.mark.parametrize("protocol", [0, 1])
@pytest.mark.parametrize("wrapped", [False, True])
def test_other_pickles_are_recognised_and_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int, wrapped: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.bin"
    path.write_bytes(pickle.dumps({"w": Runs()} if wrapped else Runs(), protocol))
    with pytest.raises(NotACheckpoint, match=r"refers to 'posix\.system', which was not run"):
        open_checkpoint(path)
    assert not (tmp_path / "EXECUTED").exists()
    path.write_bytes(pickle.dumps({"w": [1.0, 2.0]}, protocol))
    with pytest.raises(NotACheckpoint, match="a pickle that holds 0 tensors"):
        open_checkpoint(path)


def test_text_is_no_pickle(tmp_path: Path) -> None:
    for name, content in (("a.bin", b"(d)\n"), ("b.txt", b"ca\nb\n"), ("c.pt", b"c a\nb\n"), ("d.pt", b"L11\n.")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(NotACheckpoint, match="no checkpoint of a known format"):
            open_checkpoint(tmp_path / name)


HOSTILE: dict[str, tuple[bytes, type[CheckpointError], str]] = {
    "only the magic number": (MAGIC, CorruptCheckpoint, "no end"),
    "another version": (MAGIC + b"I1002\n.", CorruptCheckpoint, "version is not 1001"),
    "a version of many digits": (MAGIC + b"I" + b"1" * 5000 + b"\n.", LimitExceeded, "5000 digits of one integer"),
    "a long that goes on": (MAGIC + b"L" + b"1" * 200_000, CorruptCheckpoint, "no end within 65536 bytes"),
    "a name that goes on": (b"(dp0\nV" + b"a" * 200_000, CorruptCheckpoint, "no end within 65536 bytes"),
    "a class that goes on": (b"ctorch\nTensor\n0c" + b"a" * 200_000, CorruptCheckpoint, "no end within"),
    "a memo of many digits": (b"(dp0\n" + b"Np" + b"9" * 900 + b"\n.", CorruptCheckpoint, "memo entry 999"),
    "a memo out of nowhere": (b"(dp0\ng77\n.", CorruptCheckpoint, "memo entry 77"),
    "a broken escape": (b"(dp0\nV\\u12\n.", CorruptCheckpoint, "escape"),
    "letters for a number": (b"(dp0\nIabc\n.", CorruptCheckpoint, "'abc' is not an integer"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_broken_text_is_one_error(tmp_path: Path, case: str) -> None:
    content, kind, fragment = HOSTILE[case]
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(kind, match=fragment) as caught:
        open_checkpoint(tmp_path / "model.pt")
    assert caught.value.hint


@pytest.mark.parametrize(
    "identity",
    [
        "('storage', <class 'torch.FloatStorage'>, '0', 'cpu', 99999999999999999999999999)",
        "('storage', <class 'torch.FloatStorage'>, '0', 'cpu', -2)",
        "('storage', __import__('os').system('touch EXECUTED'), '0', 'cpu', 2)",
        "('storage', <class 'torch.FloatStorage'>, '0', 'cpu'" + ", (1" * 500,
        "",
    ],
)
def test_other_identities_leave_the_tensor_unread(tmp_path: Path, identity: str) -> None:
    tensors = {"w": torch.arange(2.0), "x": torch.ones(1)}
    path = tmp_path / "model.pt"
    torch.save(tensors, path, pickle_protocol=0, _use_new_zipfile_serialization=False)
    key = tensors["w"].untyped_storage()._cdata
    told = f"('storage', <class 'torch.FloatStorage'>, '{key}', 'cpu', 2, None)".encode()
    content = path.read_bytes()
    assert content.count(told) == 1
    path.write_bytes(content.replace(told, identity.encode()))
    with pytest.raises(CheckpointError) as caught, open_checkpoint(path) as checkpoint:
        checkpoint.rows("w", 0, 2)
    assert isinstance(caught.value, CorruptCheckpoint | UnreadableTensor)


def test_every_truncation_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save({"w": torch.ones(2)}, path, pickle_protocol=0, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    for stop in range(1, len(content)):
        path.write_bytes(content[:stop])
        with pytest.raises(CheckpointError):
            open_checkpoint(path)
