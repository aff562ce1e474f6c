"""Every way in which a safetensors file can be wrong gives one error, with numbers and a hint."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from fingerprints.errors import CheckpointError, CorruptCheckpoint, LimitExceeded, NotACheckpoint
from fingerprints.readers import open_checkpoint


def raw(header: bytes, data: bytes = b"", length: int | None = None) -> bytes:
    return (len(header) if length is None else length).to_bytes(8, "little") + header + data


def entry(dtype: object = "F32", shape: object = (2,), offsets: object = (0, 8), **more: object) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets, **more}


def one(*args: object, data: bytes = bytes(8)) -> bytes:
    return raw(json.dumps({"w": entry(*args)}).encode(), data)


def several(**entries: object) -> bytes:
    return raw(json.dumps(entries).encode(), bytes(64))


GOOD = one()
CASES: dict[str, tuple[bytes, type[CheckpointError], str]] = {
    "empty file": (b"", NotACheckpoint, "0 bytes"),
    "shorter than the length": (b"\x10\0\0", CorruptCheckpoint, "3 bytes"),
    "header longer than the file": (raw(b"{}", length=1000), CorruptCheckpoint, "1000 bytes, but only 2 follow"),
    "header of exabytes": (raw(b"{}", length=1 << 63), CorruptCheckpoint, str(1 << 63)),
    "header is not JSON": (raw(b"{nothing}"), CorruptCheckpoint, "at character 1 of 9"),
    "header is cut short": (raw(b'{"w": '), CorruptCheckpoint, "of 6"),
    "header is not UTF-8": (raw(b'{"\xff\xfe": 1}'), CorruptCheckpoint, "byte 2 of 9"),
    "header is a list": (raw(b"[1, 2]"), CorruptCheckpoint, "6 bytes hold a list"),
    "header is a number": (raw(b"12"), CorruptCheckpoint, "a int"),
    "header holds NaN": (raw(b'{"w": NaN}'), CorruptCheckpoint, "NaN"),
    "header is empty": (raw(b""), CorruptCheckpoint, "of 0"),
    "nested deeply": (raw(b'{"w":' + b"[" * 200_000), CorruptCheckpoint, "200005"),
    "nested deeply, in objects": (raw(b'{"w":' * 200_000), CorruptCheckpoint, "1000000"),
    "a huge number": (raw(b'{"w":' + b"9" * 100_000 + b"}"), CorruptCheckpoint, "4300"),
    "no tensors": (raw(b"{}"), NotACheckpoint, "0 tensors"),
    "only metadata": (raw(b'{"__metadata__": {"a": "b"}}'), NotACheckpoint, "0 tensors"),
    "a name twice": (
        raw(b'{"w": 1, "w": 2}'),
        CorruptCheckpoint,
        "'w' occurs more than once among 2",
    ),
    "a field twice": (
        raw(b'{"w":{"dtype":"U8","dtype":"F32","shape":[8],"data_offsets":[0,8]}}', bytes(8)),
        CorruptCheckpoint,
        "'dtype' occurs more than once among 4",
    ),
    "half a surrogate pair": (raw(rb'{"\ud800": {}}'), CorruptCheckpoint, "character 0"),
    "an entry that is a list": (several(w=[]), CorruptCheckpoint, "3 of 3 fields"),
    "an entry without offsets": (several(w={"dtype": "U8", "shape": []}), CorruptCheckpoint, "1 of 3 fields"),
    "unknown type": (one("F7"), CorruptCheckpoint, "'F7'"),
    "type is a number": (one(32), CorruptCheckpoint, "'32'"),
    "type is a list": (one(["F32"]), CorruptCheckpoint, "list"),
    "a type of other formats": (one("C128", (1,), (0, 16), data=bytes(16)), CorruptCheckpoint, "'C128'"),
    "nine axes": (one("U8", (1,) * 9, (0, 1)), CorruptCheckpoint, "at most 8 lengths, not 9"),
    "shape is a number": (one("F32", 2), CorruptCheckpoint, "int"),
    "shape is text": (one("F32", "2"), CorruptCheckpoint, "str"),
    "negative length": (one("F32", (-2,)), CorruptCheckpoint, "-2"),
    "two negative lengths": (one("F32", (-1, -2)), CorruptCheckpoint, "-1, -2"),
    "length is a truth value": (one("U8", (True,), (0, 1)), CorruptCheckpoint, "True"),
    "length is a fraction": (one("F32", (2.0,)), CorruptCheckpoint, "2.0"),
    "length is a list": (one("F32", ([2],)), CorruptCheckpoint, "list"),
    "huge length": (one("F32", (1 << 63,)), CorruptCheckpoint, str(1 << 63)),
    "product of lengths wraps around": (one("U8", (1 << 32, 1 << 32), (0, 0)), CorruptCheckpoint, str(1 << 64)),
    "shape does not fit": (one("F32", (3,)), CorruptCheckpoint, "takes 12 bytes, its data_offsets span 8"),
    "half a byte": (one("F4", (3,), (0, 1)), CorruptCheckpoint, "whole bytes"),
    "one offset": (one("F32", (2,), (0,)), CorruptCheckpoint, "2 numbers"),
    "offsets are an object": (one("F32", (2,), {}), CorruptCheckpoint, "2 numbers"),
    "offset is a truth value": (one("U8", (1,), (False, True)), CorruptCheckpoint, "False, True"),
    "negative offset": (one("F32", (2,), (-8, 0)), CorruptCheckpoint, "-8"),
    "huge offset": (one("F32", (2,), (1 << 64, (1 << 64) + 8)), CorruptCheckpoint, str(1 << 64)),
    "reversed offsets": (one("F32", (2,), (8, 0)), CorruptCheckpoint, "8 and 0 are reversed"),
    "truncated": (one(data=bytes(5)), CorruptCheckpoint, "3 bytes are missing"),
    "offsets behind the end": (one("F32", (2,), (800, 808)), CorruptCheckpoint, "800 bytes are missing"),
    "an empty tensor behind the end": (one("F32", (0,), (99, 99)), CorruptCheckpoint, "91 bytes are missing"),
    "overlap": (several(a=entry(), b=entry("F32", (2,), (4, 12))), CorruptCheckpoint, "ends at byte 8"),
    "the same bytes twice": (several(a=entry(), b=entry()), CorruptCheckpoint, "begins at byte 0"),
    "too many tokens": (raw(b'{"w":[' + b"[]," * 1_600_000 + b"0]}"), LimitExceeded, "3000000"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_error_with_numbers_and_a_hint(tmp_path: Path, case: str) -> None:
    content, kind, fragment = CASES[case]
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    for place in (path, tmp_path):
        with pytest.raises(CheckpointError) as caught:
            open_checkpoint(place)
        assert type(caught.value) is kind
        assert fragment in caught.value.message
        assert len(caught.value.message) < 1000
        assert caught.value.message.isascii()
        assert caught.value.message.isprintable()
        assert caught.value.hint
        assert caught.value.path.name == "model.safetensors"


def test_the_control_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(GOOD)
    assert open_checkpoint(path).rows("w", 0, 2).tolist() == [0, 0]


def test_a_header_of_more_than_the_format_allows_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(raw(b"{", length=100_000_001))
    os.truncate(path, 200_000_000)
    with pytest.raises(LimitExceeded, match="100000001 bytes, more than 100000000") as caught:
        open_checkpoint(path)
    assert (caught.value.limit, caught.value.actual) == (100_000_000, 100_000_001)


def test_names_are_escaped_and_cut(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(several(**{"\x1b[2J\n\u202e" + "x" * 5000: entry("F9")}))
    with pytest.raises(CorruptCheckpoint) as caught:
        open_checkpoint(path)
    assert r"\x1b[2J\n\u202e" in caught.value.message
    assert len(caught.value.message) < 600


def shrink(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 4)


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def replace(path: Path) -> None:
    content = path.read_bytes()
    path.rename(path.with_suffix(".old"))
    path.write_bytes(content)


@pytest.mark.parametrize("change", [shrink, grow, replace, Path.unlink])
@pytest.mark.parametrize("warm", [True, False])
def test_a_file_that_changes_is_noticed_when_read(tmp_path: Path, change: Callable[[Path], None], warm: bool) -> None:
    path = tmp_path / "model.safetensors"
    safetensors.numpy.save_file({"w": np.ones((8, 8), np.float32)}, path)
    with open_checkpoint(path) as checkpoint:
        if warm:
            checkpoint.rows("w", 0, 1)
        change(path)
        if warm and change in (replace, Path.unlink):
            assert checkpoint.rows("w", 0, 8).all()
            return
        with pytest.raises(CheckpointError) as caught:
            checkpoint.rows("w", 0, 8)
        assert type(caught.value) is (NotACheckpoint if change is Path.unlink else CorruptCheckpoint)
        assert caught.value.hint
        with pytest.raises(CheckpointError):
            list(checkpoint.blocks("w"))
