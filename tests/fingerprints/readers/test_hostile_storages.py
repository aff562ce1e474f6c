"""Tensors and storages that do not fit together: the tensor is refused, or the file if nothing in it can be trusted."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest
import torch

from fingerprints.errors import CheckpointError, CorruptCheckpoint, UnreadableTensor
from fingerprints.readers import open_checkpoint


def zipped(path: Path, pickled: bytes, **storages: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        for key, data in storages.items():
            archive.writestr(f"archive/data/{key.removeprefix('_')}", data)
    return path


def tensor(
    storage: bytes, *, offset: bytes = b"K\x00", shape: bytes = b"K\x02\x85", stride: bytes = b"K\x01\x85"
) -> bytes:
    """A pickle of {"bad": a tensor as described, "good": a tensor of two floats}."""
    rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n"
    good = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x02tQ"
    entry = b"X%c\0\0\0%b" + rebuild + b"(%b%b%b%b\x89NtR"
    return (
        b"\x80\x02}("
        + entry % (3, b"bad", storage, offset, shape, stride)
        + entry % (4, b"good", good, b"K\x00", b"K\x02\x85", b"K\x01\x85")
        + b"u."
    )


def storage(kind: bytes = b"ctorch\nFloatStorage\n", key: bytes = b"0", length: bytes = b"K\x02") -> bytes:
    return b"(X\x07\0\0\0storage" + kind + b"X\x01\0\0\0" + key + b"X\x03\0\0\0cpu" + length + b"tQ"


HUGE = b"\x8a\x09" + (1 << 64).to_bytes(9, "little")
BAD_TENSORS: dict[str, tuple[bytes, str]] = {
    "shape larger than the storage": (tensor(storage(), shape=b"K\x03\x85"), "needs 12 bytes"),
    "offset behind the end": (tensor(storage(), offset=b"K\x05"), "needs 28 bytes"),
    "stride beyond the end": (tensor(storage(), stride=b"K\x09\x85"), "needs 40 bytes"),
    "negative offset": (tensor(storage(), offset=b"J\xff\xff\xff\xff"), "numbers from 0"),
    "negative stride": (tensor(storage(), stride=b"J\xff\xff\xff\xff\x85"), "numbers from 0"),
    "negative length": (tensor(storage(), shape=b"J\xff\xff\xff\xff\x85"), "numbers from 0"),
    "huge length": (tensor(storage(), shape=HUGE + b"\x85"), "numbers from 0"),
    "length is a truth value": (tensor(storage(), shape=b"\x88\x85"), "numbers from 0"),
    "length is text": (tensor(storage(), shape=b"X\x01\0\0\x002\x85"), "numbers from 0"),
    "more strides than lengths": (tensor(storage(), stride=b"K\x01K\x01\x86"), "1 lengths and 2 strides"),
    "shape is a dict": (tensor(storage(), shape=b"}"), "0 lengths"),
    "repeats one element without end": (
        tensor(storage(), shape=b"\x8a\x07" + (1 << 50).to_bytes(7, "little") + b"\x85", stride=b"K\x00\x85"),
        "repeats 8 stored bytes",
    ),
    "storage claims more than there is": (
        tensor(storage(length=b"K\x63"), shape=b"K\x32\x85"),
        "needs 200 bytes of the storage '0', which has 8",
    ),
    "storage is missing": (tensor(storage(key=b"9")), "'9' is not in the archive"),
    "storage of a type that is not read": (tensor(storage(kind=b"ctorch\nQInt8Storage\n")), "QInt8Storage"),
    "storage of a foreign type": (tensor(storage(kind=b"cevil\nStorage\n")), "'evil.Storage'"),
    "storage of negative length": (tensor(storage(length=b"J\xff\xff\xff\xff")), "its storage is"),
    "storage is a number": (tensor(b"K\x01"), "its storage is a int"),
}


@pytest.mark.parametrize("case", BAD_TENSORS)
def test_a_bad_tensor_spoils_only_itself(tmp_path: Path, case: str) -> None:
    pickled, fragment = BAD_TENSORS[case]
    path = zipped(tmp_path / "model.pt", pickled, _0=struct.pack("<2f", 1, 2))
    checkpoint = open_checkpoint(path)
    assert checkpoint.rows("good", 0, 2).tolist() == [1, 2]
    assert checkpoint.bytes_total == 8
    for read in (lambda: checkpoint.rows("bad", 0, 0), lambda: list(checkpoint.blocks("bad"))):
        with pytest.raises(UnreadableTensor) as caught:
            read()
        assert fragment in caught.value.message
        assert caught.value.tensor == "bad"
        assert caught.value.hint


def legacy(**weights: torch.Tensor) -> bytes:
    stream = io.BytesIO()
    torch.save(weights, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def test_truncation_of_the_old_format_says_how_much_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    content = legacy(w=torch.ones(100), v=torch.ones(100))
    path.write_bytes(content[:-100])
    with pytest.raises(CorruptCheckpoint, match="100 bytes are missing") as caught:
        open_checkpoint(path)
    assert caught.value.actual is not None
    path.write_bytes(content)
    assert len(open_checkpoint(path).tensors) == 2


@pytest.mark.parametrize("part", range(56))
def test_the_old_format_cut_anywhere_gives_one_error(tmp_path: Path, part: int) -> None:
    path = tmp_path / "pytorch_model.bin"
    whole = legacy(w=torch.ones(10))
    path.write_bytes(whole[: len(whole) * part // 56])
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(path)
    assert caught.value.hint


def test_a_count_in_the_old_format_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "pytorch_model.bin"
    content = legacy(w=torch.ones(10))
    at = len(content) - 48
    assert content[at : at + 8] == (10).to_bytes(8, "little")
    for count in (1 << 62, -1, 11):
        path.write_bytes(content[:at] + count.to_bytes(8, "little", signed=True) + content[at + 8 :])
        with pytest.raises(CorruptCheckpoint):
            open_checkpoint(path)
