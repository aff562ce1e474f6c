"""Formats that are not read are named, whatever they are called; and what is no checkpoint is no checkpoint."""

from __future__ import annotations

import io
import os
import socket
import tarfile
from pathlib import Path

import pytest

from fingerprints.errors import CheckpointError, CorruptCheckpoint, NotACheckpoint, UnsupportedFormat
from fingerprints.readers import READERS, open_checkpoint, weight_sets


def tarred() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"))
    return stream.getvalue()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d" * 32 + b"\nsize 12345678\n"
FORMATS: dict[str, tuple[str, bytes, type[CheckpointError], str, str]] = {
    "onnx": ("model.onnx", b"\x08\x07\x12\x07pytorch", NotACheckpoint, "0 tensors in 0 graphs", "give the model"),
    "hdf5": ("tf_model.h5", b"\x89HDF\r\n\x1a\n" + bytes(8), CorruptCheckpoint, "of 16 bytes is broken", "download"),
    "flax": ("flax_model.msgpack", b"\x81\xa1w\xc0", NotACheckpoint, "a message pack of 4 bytes", "flax_model"),
    "tar": ("model.pt", tarred(), UnsupportedFormat, "a tar archive of 10240 bytes", "unpack"),
    "pointer": ("model.safetensors", POINTER, CorruptCheckpoint, "12345678 bytes expected", "git lfs pull"),
    "pointer to a pickle": ("pytorch_model.bin", POINTER, CorruptCheckpoint, "Git LFS pointer", "git lfs pull"),
    "text": ("model.pt", b"hello, world", NotACheckpoint, "12 bytes begin with 68 65 6c 6c", "safetensors"),
    "zeros": ("pytorch_model.bin", bytes(1000), NotACheckpoint, "1000 bytes begin with 00 00", "pytorch"),
    "one byte": ("model.pt", b"\x80", NotACheckpoint, "1 bytes begin with 80", "pytorch"),
    "empty": ("pytorch_model.bin", b"", NotACheckpoint, "0 bytes", "download"),
}


@pytest.mark.parametrize("case", FORMATS)
def test_the_error_names_the_format_and_says_what_to_do(tmp_path: Path, case: str) -> None:
    name, content, kind, fragment, hint = FORMATS[case]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(path)
    assert type(caught.value) is kind
    assert fragment in caught.value.message
    assert hint in caught.value.hint
    (known,) = weight_sets(path)
    assert (known.name, known.files, known.nbytes, known.readable) == (name, (name,), len(content), False)


@pytest.mark.parametrize("case", ["hdf5", "flax", "pointer", "pointer to a pickle"])
def test_folders_list_them(tmp_path: Path, case: str) -> None:
    name, content, kind, fragment, _ = FORMATS[case]
    (tmp_path / name).write_bytes(content)
    (known,) = weight_sets(tmp_path)
    assert not known.readable
    with pytest.raises(kind, match=fragment):
        open_checkpoint(tmp_path)


def test_content_goes_before_the_suffix(tmp_path: Path) -> None:
    header = b'{"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}'
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"ab")
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.origin.format == "safetensors"
    assert checkpoint.rows("w", 0, 2).tolist() == [97, 98]


def test_every_format_is_listed_once() -> None:
    names = [reader.format for reader in READERS]
    assert len(set(names)) == len(names)
    readable = ["flax", "gguf", "hdf5", "keras", "onnx", "pytorch", "pytorch-legacy", "safetensors"]
    assert sorted(reader.format for reader in READERS if reader.readable) == readable


@pytest.mark.parametrize("name", ["nothing", "a/b/c", "nul\0byte", "x" * 5000])
def test_a_path_that_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotACheckpoint) as caught:
        open_checkpoint(tmp_path / name)
    assert caught.value.hint


@pytest.mark.parametrize("kind", ["pipe", "socket", "device"])
@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_what_is_no_regular_file_is_never_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path(name)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(name)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(NotACheckpoint, match="not a regular file") as caught:
        open_checkpoint(path)
    assert caught.value.hint
    with pytest.raises(CheckpointError, match=r"0 files|outside of it"):
        open_checkpoint(tmp_path)


def test_a_folder_named_like_a_file_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").mkdir()
    for place in (tmp_path, tmp_path / "model.safetensors"):
        with pytest.raises(NotACheckpoint, match="0 files"):
            open_checkpoint(place)


def test_permission_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"content")

    def deny(*args: object, **kwargs: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", deny)
    with pytest.raises(NotACheckpoint, match="cannot be read: Permission denied") as caught:
        open_checkpoint(path)
    assert "permissions" in caught.value.hint
    monkeypatch.setattr(os, "scandir", deny)
    with pytest.raises(NotACheckpoint, match="cannot be listed: Permission denied"):
        open_checkpoint(tmp_path)
