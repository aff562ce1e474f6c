"""What reading must not do is noticed, and what it does is let through."""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz.watch import StrayedError, watching

STRAYING: dict[str, Callable[[Path], object]] = {
    "a file beside the folder": lambda folder: (folder / "../beside").read_bytes(),
    "a link out of the folder": lambda folder: (folder / "link").read_bytes(),
    "a file of the system": lambda folder: os.open("/etc/passwd", os.O_RDONLY),
    "writing": lambda folder: (folder / "inside").write_bytes(b""),
    "a program": lambda folder: subprocess.run(["true"], check=False),
    "a shell": lambda folder: os.system("true"),
    "a connection": lambda folder: socket.socket(),
    "unpickling": lambda folder: pickle.loads(b"cbuiltins\nlen\n."),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "beside").write_bytes(b"")
    inside = tmp_path / "folder"
    inside.mkdir()
    (inside / "inside").write_bytes(b"x")
    (inside / "link").symlink_to(tmp_path / "beside")
    return inside


@pytest.mark.parametrize("case", STRAYING)
def test_straying_is_noticed(folder: Path, case: str) -> None:
    with pytest.raises(StrayedError), watching(folder):
        STRAYING[case](folder)


def test_files_of_the_folder_may_be_read(folder: Path) -> None:
    with watching(folder):
        assert (folder / "inside").read_bytes() == b"x"
    (folder / "inside").write_bytes(b"y")
