"""Zip archives that lie about their members, or hold something else than a PyTorch checkpoint."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest
import torch

from fingerprints.errors import (
    CheckpointError,
    CorruptCheckpoint,
    LimitExceeded,
    UnreadableTensor,
    UnsupportedFormat,
)
from fingerprints.readers import open_checkpoint

DIRECTORY = b"PK\x01\x02"
DATA = bytes(range(1, 9)) * 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.pt"
    torch.save({"w": torch.frombuffer(bytearray(DATA), dtype=torch.uint8), "v": torch.ones(3)}, path)
    return path


def entry(path: Path, name: str) -> int:
    """Offset of the entry for a member in the directory at the end of the archive."""
    content = path.read_bytes()
    return content.index(DIRECTORY, content.rindex(name.encode()) - 60)


def patch(path: Path, at: int, form: str, value: int) -> None:
    content = bytearray(path.read_bytes())
    struct.pack_into(form, content, at, value)
    path.write_bytes(content)


def fails(path: Path, kind: type[CheckpointError], fragment: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(path)
    assert type(caught.value) is kind
    assert fragment in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("missing", [1, 22, 100, 300])
def test_truncated(path: Path, missing: int) -> None:
    path.write_bytes(path.read_bytes()[:-missing])
    fails(path, CorruptCheckpoint, f"of {path.stat().st_size} bytes is broken")


def test_nothing_but_a_magic_number(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    fails(path, CorruptCheckpoint, "of 104 bytes is broken")


def test_a_member_that_claims_more_than_the_file_has(path: Path) -> None:
    at = entry(path, "data/0")
    for field in (20, 24):
        patch(path, at + field, "<I", 1 << 30)
    fails(path, CorruptCheckpoint, "claims 1073741824 bytes")


def test_a_member_that_claims_exabytes(path: Path) -> None:
    at = entry(path, "data/0")
    for field in (20, 24):
        patch(path, at + field, "<I", 0xFFFFFFFF)
    with pytest.raises(CorruptCheckpoint) as caught:
        open_checkpoint(path)
    assert caught.value.hint


def test_members_that_overlap(path: Path) -> None:
    first, second = entry(path, "data/0"), entry(path, "data/1")
    (place,) = struct.unpack_from("<I", path.read_bytes(), first + 42)
    patch(path, second + 42, "<I", place + 4)
    fails(path, CorruptCheckpoint, "overlaps what begins at byte")


def test_a_member_that_is_not_where_it_should_be(path: Path) -> None:
    at = entry(path, "data/0")
    (place,) = struct.unpack_from("<I", path.read_bytes(), at + 42)
    patch(path, place, "<I", 0)
    checkpoint = open_checkpoint(path)
    assert checkpoint.rows("v", 0, 3).tolist() == [1, 1, 1]
    with pytest.raises(UnreadableTensor, match=f"no header of 'model/data/0' at byte {place}"):
        checkpoint.rows("w", 0, 1)


def test_two_members_of_one_name(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"N.")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a/data.pkl", b"N.")
    fails(path, CorruptCheckpoint, "occurs twice among 2")


@pytest.mark.parametrize(("flag", "member", "kind"), [(1, "data/0", None), (1, "data.pkl", UnsupportedFormat)])
def test_encrypted_members(path: Path, flag: int, member: str, kind: type[CheckpointError] | None) -> None:
    patch(path, entry(path, member) + 8, "<H", flag)
    if kind is not None:
        fails(path, kind, "encrypted")
        return
    with pytest.raises(UnreadableTensor, match="encrypted"):
        open_checkpoint(path).rows("w", 0, 1)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression(tmp_path: Path, method: int) -> None:
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("a/data.pkl", b"N." * 100)
    fails(path, UnsupportedFormat, f"method {method}")


def test_a_pickle_that_unpacks_to_too_much(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a/data.pkl", "w") as member:
        for _ in range(65):
            member.write(b"N" * (1 << 20))
    fails(path, LimitExceeded, "to 68157440 bytes, more than 67108864")


def test_a_compressed_member_that_lies_about_its_size(path: Path) -> None:
    packed = path.with_name("packed.pt")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    at = entry(packed, "data/0") + 24
    patch(packed, at, "<I", 200)
    with pytest.raises(CorruptCheckpoint, match="200 bytes it claims"):
        open_checkpoint(packed).rows("w", 0, 1)
    patch(packed, at, "<I", 100)
    with pytest.raises(UnreadableTensor, match="needs 160 bytes"):
        open_checkpoint(packed).rows("w", 0, 1)
    patch(packed, at, "<I", 0xFFFFFFF0)
    with pytest.raises(LimitExceeded, match="4294967280 bytes, more than 268435456"):
        open_checkpoint(packed).rows("w", 0, 1)
    assert open_checkpoint(packed).rows("v", 0, 3).tolist() == [1, 1, 1]


def test_compressed_bytes_that_are_broken(path: Path) -> None:
    packed = path.with_name("packed.pt")
    with zipfile.ZipFile(packed, "w") as new, zipfile.ZipFile(path) as old:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    patch(packed, entry(packed, "data/0") + 10, "<H", zipfile.ZIP_DEFLATED)
    with pytest.raises(CorruptCheckpoint, match="cannot be unpacked"):
        open_checkpoint(packed).rows("w", 0, 1)


def test_a_directory_that_is_too_long_to_hold(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    size = 1 << 25
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, size, 4, 0)
    path.write_bytes(b"PK\x03\x04" + bytes(size) + end)
    fails(path, LimitExceeded, f"{size} bytes of directory")


def test_many_members(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w") as archive:
        for at in range(20_000):
            archive.writestr(f"a/{at}", b"")
    fails(path, UnsupportedFormat, "20000 members")


def test_an_odd_byte_order(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content.replace(b"little", b"middle"))
    fails(path, CorruptCheckpoint, "'middle', 6 characters")


@pytest.mark.parametrize(
    ("members", "name", "fragment"),
    [
        (["config.json", "model.weights.h5"], "model.zip", "a Keras model"),
        (["a.npy", "b.npy"], "weights.npz", "a NumPy archive"),
        (["readme.txt"], "model.pt", "without data.pkl"),
    ],
)
def test_other_archives_are_named(tmp_path: Path, members: list[str], name: str, fragment: str) -> None:
    path = tmp_path / name
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.writestr(member, b"content")
    fails(path, UnsupportedFormat, fragment)
