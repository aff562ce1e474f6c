from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from fingerprints.errors import AuditError, UsageError
from provenance.writing import write_atomically


def test_a_new_file_and_a_replaced_one(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    write_atomically(target, "first")
    write_atomically(target, "sécond\n")
    assert target.read_bytes() == "sécond\n".encode()
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    target = tmp_path / "result.json"
    target.write_text("old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", fail)
    else:
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(AuditError, match="No space left on device") as error:
        write_atomically(target, "new")
    assert error.value.hint
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_an_interrupt_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "result.json"
    target.write_text("old")

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(target, "new")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_missing_folder_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist") as error:
        write_atomically(tmp_path / "missing" / "result.json", "text")
    assert "mkdir" in error.value.hint


def test_a_folder_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "result.json").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        write_atomically(tmp_path / "result.json", "text")


def test_links_are_followed_and_permissions_kept(tmp_path: Path) -> None:
    target = tmp_path / "real.json"
    target.write_text("old")
    target.chmod(0o640)
    link = tmp_path / "link.json"
    link.symlink_to(target)
    write_atomically(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    write_atomically(tmp_path / "result.txt", "text")
    assert (tmp_path / "result.txt").stat().st_mode == ordinary.stat().st_mode


def test_a_long_name_fits(tmp_path: Path) -> None:
    target = tmp_path / ("n" * 250 + ".txt")
    write_atomically(target, "text")
    assert target.read_text() == "text"
