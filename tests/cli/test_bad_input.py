"""Bad input at the command line: one `error:` with numbers, one `hint:`, exit code 2, little time and memory."""

from __future__ import annotations

import json
import pickle
import struct
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

ROOT = Path(__file__).parents[2]
GOOD = ROOT / "examples" / "base"
LONGEST = 20.0
"""Seconds of a process that refuses its input, on a machine that does other things too."""
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_DATA, (10**9, 10**9))
from cli.main import main
sys.argv[0] = "provenance"
main()
"""


def safetensors(path: Path, header: object, data: bytes = b"", length: int | None = None) -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)


def entry(shape: list[int], start: int, stop: int, dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


class RunsCode:
    def __reduce__(self) -> tuple[object, ...]:
        return eval, ("open('executed', 'w').close()",)


def truncated(folder: Path) -> None:
    whole = (GOOD / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def index(folder: Path, weight_map: object) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


def huge_member(folder: Path) -> None:
    with zipfile.ZipFile(folder / "pytorch_model.bin", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * (1 << 30))


def linked(folder: Path) -> None:
    (folder / "model-00001-of-00001.safetensors").symlink_to("/etc/hostname")
    index(folder, {"w": "model-00001-of-00001.safetensors"})


CASES: dict[str, Callable[[Path], object]] = {
    "truncated": truncated,
    "header longer than the file": lambda f: safetensors(f / "model.safetensors", b"{}", length=10**12),
    "header is not JSON": lambda f: safetensors(f / "model.safetensors", b"{not json at all"),
    "offsets outside": lambda f: safetensors(f / "model.safetensors", {"w": entry([4], 0, 16)}, b"\0" * 8),
    "offsets overlapping": lambda f: safetensors(
        f / "model.safetensors", {"v": entry([4], 0, 16), "w": entry([4], 8, 24)}, b"\0" * 24
    ),
    "duplicate keys": lambda f: safetensors(
        f / "model.safetensors",
        b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        b"\0" * 4,
    ),
    "rank 9": lambda f: safetensors(f / "model.safetensors", {"w": entry([1] * 9, 0, 4)}, b"\0" * 4),
    "unknown dtype": lambda f: safetensors(f / "model.safetensors", {"w": entry([1], 0, 4, "F99")}, b"\0" * 4),
    "LFS pointer": lambda f: (f / "model.safetensors").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 13476839424\n"
    ),
    "index naming missing shards": lambda f: index(f, {"w": "model-00001-of-00002.safetensors"}),
    "index leaving the folder": lambda f: index(f, {"w": "../model.safetensors"}),
    "index with an absolute path": lambda f: index(f, {"w": "/etc/passwd"}),
    "index through a link": linked,
    "index that is not JSON": lambda f: (f / "model.safetensors.index.json").write_text("{'weight_map': }"),
    "empty folder": lambda f: None,
    "empty file": lambda f: (f / "model.safetensors").touch(),
    "pickle that runs code": lambda f: (f / "pytorch_model.bin").write_bytes(pickle.dumps({"w": RunsCode()})),
    "zip with a huge member": huge_member,
    "text": lambda f: (f / "model.txt").write_text("weights"),
    "picture": lambda f: (f / "model.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 64),
}


def run(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", LIMITED, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env={"PYTHONPATH": str(ROOT), "PATH": ""}, timeout=60
    )


@pytest.mark.parametrize("case", CASES)
def test_ends_with_an_error_and_a_hint(case: str, tmp_path: Path) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    CASES[case](folder)
    started = time.monotonic()
    done = run("compare", folder, GOOD, cwd=tmp_path)
    assert time.monotonic() - started < LONGEST
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert [line.split(":")[0] for line in lines if not line.startswith(" ")] == ["error", "hint"], done.stderr
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
    assert not (tmp_path / "executed").exists()


def test_two_unrelated_files(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    done = run("compare", tmp_path / "notes.txt", tmp_path / "table.csv", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "hint: " in done.stderr


def example(**changed: np.ndarray) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    tensors = {name: values.astype(np.float32) for name, values in load_file(GOOD / "model.safetensors").items()}
    return tensors | {name.replace("__", "."): values for name, values in changed.items()}


def test_a_tensor_of_nans_spoils_only_itself(tmp_path: Path) -> None:
    name = "model.layers.1.mlp.up_proj.weight"
    save_file(example(**{name: np.full((352, 128), np.nan, dtype=np.float32)}), tmp_path / "model.safetensors")
    done = run("compare", GOOD, tmp_path, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["verdict"]["relation"] == "derived"
    assert any(name in item["subject"] and "finite" in item["reason"] for item in result["not_measured"])


def test_tensors_of_size_zero_are_no_obstacle(tmp_path: Path) -> None:
    save_file(
        example(**{"extra.weight": np.zeros((0, 128), dtype=np.float32), "scalar": np.array(3.0, dtype=np.float32)}),
        tmp_path / "model.safetensors",
    )
    done = run("compare", GOOD, tmp_path, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"]["relation"] == "identical"


def test_names_from_files_are_escaped(tmp_path: Path) -> None:
    hostile = "\x1b]0;owned\x07\x1b[31m[bold]\u202egnp.exe" + "x" * 400
    save_file(example(**{hostile: np.ones((9, 9), dtype=np.float32)}), tmp_path / "model.safetensors")
    for arguments in (["compare", GOOD, tmp_path, "-v"], ["inspect", tmp_path, "-v"]):
        done = run(*arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "\x1b" not in done.stdout + done.stderr
        assert "\u202e" not in done.stdout + done.stderr
        assert max(map(len, done.stdout.splitlines())) < 300
