"""What words on a command line stand for."""

from __future__ import annotations

from pathlib import Path

import pytest

from fingerprints.errors import UsageError
from provenance.scan.targets import read_targets


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("zoo/acme/a", "zoo/acme/b", "zoo/c", "zoo/lost"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("zoo/acme/a", "zoo/acme/b", "zoo/c"):
        (tmp_path / name / "model.safetensors").write_bytes(b"")
    (tmp_path / "zoo" / "d.gguf").write_bytes(b"")
    (tmp_path / "zoo" / "notes.txt").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_stands_for_the_models_in_it(place: Path) -> None:
    assert read_targets(["zoo"], []) == ["zoo/d.gguf", "zoo/acme/a", "zoo/acme/b", "zoo/c", "zoo/lost"]
    assert read_targets(["zoo/c"], []) == ["zoo/c"]
    assert read_targets(["zoo/c/model.safetensors"], []) == ["zoo/c/model.safetensors"]


def test_a_folder_with_its_own_configuration_is_one_model(place: Path) -> None:
    (place / "zoo" / "config.json").write_text("{}")
    assert read_targets(["zoo"], []) == ["zoo"]


def test_a_folder_of_weight_files_alone_holds_a_model_each(tmp_path: Path) -> None:
    for name in ("q4.gguf", "q8.gguf"):
        (tmp_path / name).write_bytes(b"")
    assert read_targets([str(tmp_path)], []) == [str(tmp_path / "q4.gguf"), str(tmp_path / "q8.gguf")]


def test_globs_lists_and_standard_input(place: Path) -> None:
    (place / "list.txt").write_text("# all of them\n\nzoo/c   # this one\n acme/repo \nzoo/c\n")
    assert read_targets(["zoo/*/?"], []) == ["zoo/acme/a", "zoo/acme/b"]
    assert read_targets(["@list.txt", "-"], ["x\n", "acme/repo\n"]) == ["zoo/c", "acme/repo", "x"]
    assert read_targets(["nowhere/at/all"], []) == ["nowhere/at/all"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["zoo/*.onnx"], "nothing matches"),
        (["@none.txt"], "cannot read the list"),
        (["-"], "nothing to scan"),
        (["x" * 5000], "5000 characters"),
    ],
)
def test_words_that_stand_for_nothing_are_refused(place: Path, words: list[str], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        read_targets(words, [])


def test_shards_of_one_model_are_not_taken_apart(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"model-0000{number}-of-00002.safetensors").write_bytes(b"")
    assert read_targets([str(tmp_path)], []) == [str(tmp_path)]
