"""Pickles that want to run code, to use up the machine, or are simply broken: nothing runs, one error is raised."""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from fingerprints.errors import CorruptCheckpoint, LimitExceeded, NotACheckpoint
from fingerprints.readers import open_checkpoint

ROOT = Path(__file__).parents[3]


def zipped(path: Path, pickled: bytes, **storages: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        for key, data in storages.items():
            archive.writestr(f"archive/data/{key.removeprefix('_')}", data)
    return path


class Runs:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> Any:
        return self.call


CODE = {
    "os.system": (os.system, ("touch EXECUTED",), "posix.system"),
    "builtins.eval": (eval, ("open('EXECUTED', 'w')",), "builtin__.eval"),
    "builtins.exec": (exec, ("open('EXECUTED', 'w')",), "builtin__.exec"),
    "builtins.open": (open, ("EXECUTED", "w"), "io.open"),
    "subprocess.Popen": (subprocess.Popen, (["touch", "EXECUTED"],), "commands.Popen"),
    "torch.hub.load": (torch.hub.load, ("EXECUTED", "EXECUTED"), "torch.hub.load"),
    "pickle.loads": (pickle.loads, (b"cos\nsystem\n(S'touch EXECUTED'\ntR.",), "pickle.loads"),
}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("case", CODE)
def test_code_is_named_and_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str, legacy: bool) -> None:
    monkeypatch.chdir(tmp_path)
    function, args, name = CODE[case]
    path = tmp_path / "model.bin"
    torch.save(Runs(function, *args), path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(NotACheckpoint, match="which was not run") as caught:
        open_checkpoint(path)
    assert name in caught.value.message
    assert caught.value.path == path
    assert "torch.load" in caught.value.hint
    torch.save({"w": torch.ones(2), "x": Runs(function, *args)}, path, _use_new_zipfile_serialization=not legacy)
    checkpoint = open_checkpoint(path)
    assert checkpoint.rows("w", 0, 2).tolist() == [1, 1]
    (finding,) = checkpoint.origin.findings
    assert finding.code == "pickle-dangerous-import"
    assert name in finding.message
    assert finding.subject == "model.bin"
    path.write_bytes(pickle.dumps(Runs(function, *args)))
    with pytest.raises(NotACheckpoint, match="which was not run"):
        open_checkpoint(path)
    assert not (tmp_path / "EXECUTED").exists()


def test_imported_names_are_text_only(tmp_path: Path) -> None:
    sentinel = "fingerprints_readers_must_not_import_this"
    (tmp_path / f"{sentinel}.py").write_text("raise SystemExit")
    zipped(tmp_path / "model.pt", f"c{sentinel}\nThing\n)R.".encode())
    with pytest.raises(NotACheckpoint, match=sentinel):
        open_checkpoint(tmp_path / "model.pt")
    assert sentinel not in sys.modules


BROKEN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "no end"),
    "no stop": (b"\x80\x02}", "no end"),
    "only stop": (b".", "more values"),
    "unknown opcode": (b"\xff.", "opcode ff"),
    "data from outside": (b"\x97.", "opcode 97"),
    "protocol of the future": (b"\x80\x09N.", "protocol 9"),
    "stack underflow": (b"R.", "more values"),
    "underflow below a mark": (b"N(a.", "more values"),
    "no mark": (b"t.", "mark is missing"),
    "unpaired": (b"}(K\x01u.", "1 keys and values"),
    "unset memo": (b"h\x07.", "memo entry 7"),
    "negative memo": (b"Np-5\n.", "memo entry -5"),
    "huge memo index in digits": (b"Np" + b"9" * 500 + b"\n.", "memo entry 9999"),
    "text behind the end": (b"X\xff\xff\xff\x7fabc.", "2147483647 bytes is announced and 4"),
    "text of exabytes": (b"\x8d" + b"\xff" * 8, "18446744073709551615"),
    "bytes of negative length": (b"T\xff\xff\xff\xff.", "-1 bytes"),
    "text is not UTF-8": (b"X\x02\0\0\0\xc3\x28.", "byte 0 of a text of 2"),
    "a line without end": (b"I12", "no end within 2"),
    "an integer of letters": (b"Iabc\n.", "'abc' is not an integer"),
    "a float of letters": (b"Fabc\n.", "'abc' is not a number"),
    "string without quotes": (b"Sabc\n.", "no quotes"),
    "bad escape": (b"S'\\x4'\n.", "escape"),
    "class named by a number": (b"K\x01K\x02\x93.", "other than text"),
    "object without class": (b"(o.", "no class"),
}
TOO_MUCH: dict[str, tuple[bytes, str]] = {
    "an integer of a gigabyte": (b"\x8b" + struct.pack("<i", 1 << 30) + b"\0" * 99, "1073741824 bytes of one integer"),
    "an integer of negative length": (b"\x8b" + struct.pack("<i", -5), "-5 bytes of one integer"),
    "an integer of many digits": (b"I" + b"9" * 5000 + b"\n.", "5000 digits"),
}


@pytest.mark.parametrize("case", [*BROKEN, *TOO_MUCH])
def test_a_broken_pickle_gives_one_error(tmp_path: Path, case: str) -> None:
    pickled, fragment = {**BROKEN, **TOO_MUCH}[case]
    path = zipped(tmp_path / "model.pt", pickled)
    with pytest.raises(CorruptCheckpoint) as caught:
        open_checkpoint(path)
    assert type(caught.value) is (LimitExceeded if case in TOO_MUCH else CorruptCheckpoint)
    assert fragment in caught.value.message
    assert caught.value.hint
    assert caught.value.message.isascii()


LAUGHS = b"".join(b"h" + bytes([at]) + b"h" + bytes([at]) + b"\x86q" + bytes([at + 1]) for at in range(200))
NESTED = b"".join(
    b"}(X\x01\0\0\0ah" + bytes([at]) + b"X\x01\0\0\0bh" + bytes([at]) + b"uq" + bytes([at + 1]) for at in range(200)
)
COLLIDING = b"".join(
    b"\x8a\x0c" + (at * ((1 << 61) - 1)).to_bytes(12, "little", signed=True) + b"N" for at in range(300_000)
)
BOMBS: dict[str, bytes] = {
    "nested lists": b"]" * 3_000_000 + b"a" * 2_999_999 + b".",
    "nested tuples": b")" + b"\x85" * 3_000_000 + b".",
    "a nested key": b"})" + b"\x85" * 1_000_000 + b"Ns.",
    "many marks": b"(" * 30_000_000 + b".",
    "many copies": b"N" + b"2" * 30_000_000 + b".",
    "many lists": b"]" * 30_000_000 + b".",
    "many sets": b"\x8f" * 30_000_000 + b".",
    "many remembered": b"]" + b"\x94" * 30_000_000 + b".",
    "many classes": b"".join(b"ca\nb%d\n" % at for at in range(1_500_000)) + b".",
    "a list that doubles": b"](" + b"N" * 10_000 + b"eq\x00" + b"(h\x00h\x00e" * 1_000_000 + b".",
    "a dict copied again and again": (
        b"ccollections\nOrderedDict\nq\x00](" + b"N" * 1_000_000 + b"eq\x01" + b"h\x00h\x01\x85R0" * 1_000_000 + b"N."
    ),
    "a billion laughs as a key": b")q\x00" + LAUGHS + b"}h\xc8Ns.",
    "a billion laughs as a state dict": b"}q\x00" + NESTED + b"h\xc8.",
    "a checkpoint in itself": (
        b"}q\x00("
        + b"".join(b"X\x07\0\0\0%07dN" % at for at in range(300_000))
        + b"".join(b"X%c\0\0\0%bh\x00" % (len(key), key) for key in (b"model", b"module", b"net", b"ema", b"params"))
        + b"u."
    ),
    "keys that collide": b"}(" + COLLIDING + b"u.",
    "much text": b"".join(b"X\xff\xff\0\0" + b"a" * 65_535 for _ in range(2_200)) + b".",
    "one long text": b"X" + struct.pack("<I", 200_000_000) + bytes(200_000_000) + b".",
}
PROBE = """
import re, sys
from pathlib import Path
from fingerprints.errors import CheckpointError
from fingerprints.readers import open_checkpoint
try:
    open_checkpoint(sys.argv[1])
except CheckpointError as error:
    assert error.hint
    print(type(error).__name__, error)
peak = int(re.search("VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1])
assert peak < 1_000_000, peak
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
@pytest.mark.slow
@pytest.mark.parametrize("case", BOMBS)
def test_a_bomb_is_defused_in_bounded_time_and_memory(tmp_path: Path, case: str) -> None:
    path = zipped(tmp_path / "model.pt", BOMBS[case])
    start = time.process_time()
    child = os.times().children_user
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(path)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(("LimitExceeded", "NotACheckpoint", "CorruptCheckpoint"))
    assert os.times().children_user - child + time.process_time() - start < 10
