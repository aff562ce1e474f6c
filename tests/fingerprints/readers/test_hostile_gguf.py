"""Every way in which a GGUF file can be wrong gives one error, with numbers and a hint, at once, in little memory."""

from __future__ import annotations

import os
import struct
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fingerprints.errors import (
    CheckpointError,
    CorruptCheckpoint,
    LimitExceeded,
    NotACheckpoint,
    UnreadableTensor,
    UnsupportedFormat,
)
from fingerprints.readers import open_checkpoint
from tests import ggufs
from tests.ggufs import array, entry, number, pair, raw
from tests.reading import read_everything

ONE = [entry()]
DATA = np.float32([1, 2]).tobytes()
GOOD = raw([number("general.alignment", 32), pair("general.name", ggufs.STRING, ggufs.text("a"))], ONE, DATA)
HUGE = 1 << 63
FORTY_NINE = raw([pair("a", ggufs.ARRAY, array(ggufs.STRING, 3_000_000))], counts=(0, 1), alignment=1)

CASES: dict[str, tuple[bytes, type[CheckpointError], str]] = {
    "magic only": (b"GGUF", CorruptCheckpoint, "the version at byte 4 takes 4 bytes"),
    "version 1": (raw(version=1), UnsupportedFormat, "version 1"),
    "version 0": (raw(version=0), UnsupportedFormat, "version 0"),
    "version 4": (raw(version=4), UnsupportedFormat, "version 4"),
    "big-endian": (raw(version=3 << 24), UnsupportedFormat, "big-endian"),
    "no tensors": (raw([number("a", 1)]), NotACheckpoint, "0 tensors and 1 keys"),
    "49 bytes with 3,000,000 strings": (FORTY_NINE, CorruptCheckpoint, "takes 24000000 bytes or more, and 0 are left"),
    "3,000,000 numbers": (
        raw([pair("a", ggufs.ARRAY, array(ggufs.U64, 3_000_000))]),
        CorruptCheckpoint,
        "takes 24000000 bytes",
    ),
    "exabytes of numbers": (raw([pair("a", ggufs.ARRAY, array(ggufs.U8, HUGE))]), CorruptCheckpoint, str(HUGE)),
    "exabytes of strings": (raw([pair("a", ggufs.ARRAY, array(ggufs.STRING, HUGE))]), CorruptCheckpoint, str(8 * HUGE)),
    "a list of lists": (
        raw([pair("a", ggufs.ARRAY, array(ggufs.ARRAY, 1, array(ggufs.ARRAY, 1)))]),
        CorruptCheckpoint,
        "a list of 1 lists",
    ),
    "a deep list of lists": (
        raw([pair("a", ggufs.ARRAY, array(ggufs.ARRAY, 1) * 100_000)]),
        CorruptCheckpoint,
        "a list of 1 lists",
    ),
    "a value of no type": (raw([pair("a", 13, b"")]), CorruptCheckpoint, "the type 13"),
    "a list of no type": (raw([pair("a", ggufs.ARRAY, array(99, 2000))]), CorruptCheckpoint, "the type 99"),
    "more keys than bytes": (raw(counts=(0, HUGE)), CorruptCheckpoint, f"{HUGE} keys"),
    "more tensors than bytes": (raw(counts=(HUGE, 0)), CorruptCheckpoint, f"{HUGE} tensors"),
    "one key too many": (
        raw([number("a", 1)], counts=(0, 2), alignment=1),
        CorruptCheckpoint,
        "2 keys at byte 24 takes 26 bytes or more, and 17 are left",
    ),
    "a string of exabytes": (raw([struct.pack("<Q", HUGE) + bytes(64)]), CorruptCheckpoint, str(HUGE)),
    "a key of 100,000 bytes": (raw([number("k" * 100_000, 1)]), CorruptCheckpoint, "more than 65535 bytes"),
    "a key that is not UTF-8": (
        raw([pair(b"a\xff", ggufs.U8, b"\1")]),
        CorruptCheckpoint,
        "key 1 of 1 in",
    ),
    "a tensor that is not UTF-8": (raw([], [entry(b"\xff\xfe")], DATA), CorruptCheckpoint, "UTF-8 at byte 0 of 2"),
    "a key twice": (raw([number("a", 1)] * 2), CorruptCheckpoint, "'a' occurs more than once among 2"),
    "a tensor twice": (raw([], ONE * 2, DATA), CorruptCheckpoint, "'w' occurs more than once among 2"),
    "alignment 0": (raw([number("general.alignment", 0)], ONE, DATA), CorruptCheckpoint, "'0' bytes"),
    "alignment 48": (raw([number("general.alignment", 48)], ONE, DATA), CorruptCheckpoint, "'48' bytes"),
    "alignment of text": (
        raw([pair("general.alignment", ggufs.STRING, ggufs.text("x" * 5000))], ONE, DATA),
        CorruptCheckpoint,
        "no power of 2",
    ),
    "alignment of gigabytes": (raw([number("general.alignment", 1 << 31)], ONE, DATA), CorruptCheckpoint, "truncated"),
    "alignment of exabytes": (
        raw([pair("general.alignment", ggufs.U64, struct.pack("<Q", HUGE))], ONE, DATA),
        CorruptCheckpoint,
        "truncated",
    ),
    "nine axes": (raw([], [entry(shape=(1,) * 9)], DATA), CorruptCheckpoint, "9 axes, more than 8"),
    "four billion axes": (
        raw([], [ggufs.text("w") + b"\xff" * 40], DATA),
        CorruptCheckpoint,
        f"{(1 << 32) - 1} axes",
    ),
    "huge length": (raw([], [entry(shape=(HUGE,))], DATA), CorruptCheckpoint, str(HUGE)),
    "product wraps around": (raw([], [entry(shape=(1 << 32, 1 << 32))], DATA), CorruptCheckpoint, str(1 << 64)),
    "empty with huge lengths": (raw([], [entry(shape=(0, HUGE, HUGE))], DATA), CorruptCheckpoint, str(HUGE**2)),
    "truncated data": (raw([], ONE, DATA[:5]), CorruptCheckpoint, "3 bytes are missing"),
    "offset behind the end": (raw([], [entry(offset=800)], DATA), CorruptCheckpoint, "800 bytes are missing"),
    "huge offset": (raw([], [entry(offset=(1 << 64) - 1)], DATA), CorruptCheckpoint, "bytes are missing"),
    "an empty tensor behind the end": (raw([], [entry(shape=(0,), offset=99)], DATA), CorruptCheckpoint, "91 bytes"),
    "overlap": (raw([], [entry("a"), entry("b", offset=4)], bytes(64)), CorruptCheckpoint, "'a' and 'b'"),
    "the same bytes twice": (raw([], [entry("a"), entry("b")], bytes(64)), CorruptCheckpoint, "overlap"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_error_with_numbers_and_a_hint(tmp_path: Path, case: str) -> None:
    content, kind, fragment = CASES[case]
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    for place in (path, tmp_path):
        start = time.perf_counter()
        with pytest.raises(CheckpointError) as caught:
            open_checkpoint(place)
        assert time.perf_counter() - start < 1
        assert type(caught.value) is kind
        assert fragment in caught.value.message
        assert len(caught.value.message) < 1000
        assert caught.value.message.isascii()
        assert caught.value.message.isprintable()
        assert caught.value.hint
        assert caught.value.path.name == "model.gguf"


def test_the_file_of_49_bytes_has_49() -> None:
    assert len(FORTY_NINE) == 49


def test_the_control_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(GOOD)
    assert open_checkpoint(path).rows("w", 0, 2).tolist() == [1, 2]


def test_truncated_at_every_byte(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    for length in range(1, len(GOOD)):
        path.write_bytes(GOOD[:length])
        with pytest.raises(CheckpointError) as caught:
            open_checkpoint(path)
        assert type(caught.value) is (NotACheckpoint if length < 4 else CorruptCheckpoint)
        assert caught.value.hint


LIMITS = {
    "keys": (raw(counts=(0, 100_001)), "100001 keys, more than 100000"),
    "tensors": (raw(counts=(100_001, 0)), "100001 tensors, more than 100000"),
    "strings": (
        raw([pair("a", ggufs.ARRAY, array(ggufs.STRING, 4_000_001))]),
        "4000001 strings, more than 4000000",
    ),
    "numbers": (raw([pair("a", ggufs.ARRAY, array(ggufs.U8, 1 << 29))]), "more than 268435456"),
    "text": (raw([pair("a", ggufs.STRING, struct.pack("<Q", 1 << 29))]), "more than 268435456"),
}


@pytest.mark.parametrize("case", LIMITS)
def test_headers_larger_than_any_models_are_refused_unread(tmp_path: Path, case: str) -> None:
    content, fragment = LIMITS[case]
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    os.truncate(path, 40 << 30)
    tracemalloc.start()
    with pytest.raises(LimitExceeded, match=fragment):
        open_checkpoint(path)
    assert tracemalloc.get_traced_memory()[1] < 10 << 20
    tracemalloc.stop()


BAD = {
    "type 4, which was removed": (entry("bad", (1, 256), 4), "its type 4 is not known"),
    "type 4 billion": (entry("bad", (1, 256), (1 << 32) - 1), "its type 4294967295 is not known"),
    "K blocks in rows of 96": (entry("bad", (2, 96), 12), "rows of 96 elements are not made of Q4_K blocks of 256"),
    "blocks across rows": (entry("bad", (2, 16), 2), "rows of 16 elements are not made of Q4_0 blocks of 32"),
    "a scalar in blocks": (entry("bad", (), 2), "rows of 1 elements are not made of Q4_0 blocks of 32"),
}


@pytest.mark.parametrize("case", BAD)
def test_one_bad_tensor_leaves_the_others(tmp_path: Path, case: str) -> None:
    bad, fragment = BAD[case]
    path = tmp_path / "model.gguf"
    path.write_bytes(raw([], [bad, entry("good")], DATA))
    with open_checkpoint(path) as checkpoint:
        for read in (lambda: checkpoint.rows("bad", 0, 1), lambda: list(checkpoint.blocks("bad"))):
            with pytest.raises(UnreadableTensor, match=fragment) as caught:
                read()
            assert caught.value.tensor == "bad"
        assert checkpoint.rows("good", 0, 2).tolist() == [1, 2]


def test_names_are_escaped_and_cut(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(raw([], [entry("\x1b[2J\n\u202e" + "x" * 5000, (HUGE,))], DATA))
    with pytest.raises(CorruptCheckpoint) as caught:
        open_checkpoint(path)
    assert r"\x1b[2J\n\u202e" in caught.value.message
    assert len(caught.value.message) < 600


def quantised_llama(folder: Path) -> bytes:
    generator = np.random.default_rng(0)
    tensors = {
        f"blk.0.attn_{part}.weight": (generator.standard_normal((8, 256)), scheme)
        for part, scheme in {"q": "Q8_0", "k": "Q4_K", "v": "F16"}.items()
    }
    keys = {"attention.head_count": 2, "attention.head_count_kv": [1, 1], "vocab": "x"}
    return ggufs.write(folder / "original.gguf", "llama", tensors, keys).read_bytes()


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=9)), max_size=6),
    kept=st.just(1.0) | st.floats(0, 1, exclude_max=True),
)
def test_a_damaged_file_is_read_or_refused(tmp_path: Path, edits: list[tuple[float, bytes]], kept: float) -> None:
    content = bytearray(quantised_llama(tmp_path))
    for place, replacement in edits:
        at = int(place * 600)
        content[at : at + len(replacement)] = replacement
    (tmp_path / "original.gguf").unlink()
    path = tmp_path / "model.gguf"
    path.write_bytes(bytes(content[: int(kept * len(content))]))
    read_everything(path)


def test_every_byte_of_the_header_may_be_wrong(tmp_path: Path) -> None:
    original = quantised_llama(tmp_path)
    (tmp_path / "original.gguf").unlink()
    path = tmp_path / "model.gguf"
    for at in range(min(len(original), 500)):
        for value in (0x00, 0xFF, original[at] ^ 0x01):
            path.write_bytes(original[:at] + bytes([value]) + original[at + 1 :])
            read_everything(path)
