from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from fingerprints.errors import CheckpointError, UsageError
from provenance.library import Library
from provenance.library.adding import add_path
from provenance.library.building import build_from
from provenance.library.bundle import export_to, import_from
from provenance.options import Silent

ROOT = Path(__file__).parents[3]
BASES = ROOT / "bench" / "data" / "bases"
NAMES = ("llama-0", "llama-1", "bert-0")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library") / "known"
    with Library(folder, create=True) as library:
        for name in NAMES:
            add_path(library, BASES / name, family=name.split("-")[0], licence="mit", parents=("nobody",))
    return folder


@pytest.fixture
def copy(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled, tmp_path / "copy"))


def test_a_copied_folder_is_the_same_library(copy: Path) -> None:
    with Library(copy) as library:
        assert [entry.name for entry in library.entries()] == sorted(NAMES)
        assert library.verify() == []
        entry = library.entry("bert-0")
        assert (entry.family, entry.licence, entry.parents) == ("bert", "mit", ("nobody",))
        assert library.entry(entry.content[:10]) == entry


def test_equal_weights_are_one_entry_with_many_names(copy: Path, tmp_path: Path) -> None:
    again = shutil.copytree(BASES / "llama-0", tmp_path / "elsewhere")
    with Library(copy) as library:
        entry = add_path(library, again, name="the same")
        assert entry.names == ("llama-0", "the same")
        assert entry.family == "llama"
        assert len(library.entries()) == len(NAMES)
        library.remove("llama-0")
        assert library.entry("the same").names == ("the same",)
        file = library.file_of(entry.content)
        assert file.is_file()
        library.remove("the same")
        assert not file.exists()
        with pytest.raises(UsageError, match="no entry called 'the same'"):
            library.entry("the same")


def test_verify_tells_damage_from_leftovers(copy: Path) -> None:
    with Library(copy) as library:
        file = library.file_of(library.entry("llama-0").content)
        other = library.file_of(library.entry("llama-1").content)
        leftover = file.with_name(f".{file.name}.tmp")
        leftover.write_bytes(b"half a file")
        (problem,) = library.verify()
        assert problem.harmless
        library.verify(repair=True)
        assert not leftover.exists()
        assert library.verify() == []
        data = bytearray(file.read_bytes())
        data[-1] ^= 255
        file.write_bytes(data)
        other.unlink()
        problems = {each.subject: each for each in library.verify()}
        assert problems.keys() == {"llama-0", "llama-1"}
        assert not any(each.harmless for each in problems.values())


def test_an_exported_library_comes_back_whole_and_without_places(copy: Path, tmp_path: Path) -> None:
    with Library(copy) as library, Library(tmp_path / "new", create=True) as new:
        export_to(library, tmp_path / "all.zip")
        first = (tmp_path / "all.zip").read_bytes()
        export_to(library, tmp_path / "all.zip")
        assert (tmp_path / "all.zip").read_bytes() == first
        assert str(BASES).encode() not in first
        done = import_from(new, tmp_path / "all.zip")
        assert (done.entries, done.skipped) == (3, ())
        assert new.verify() == []
        assert [e.content for e in new.entries()] == [e.content for e in library.entries()]
        assert all(entry.sources == ("",) for entry in new.entries())


def test_a_forged_export_adds_nothing(copy: Path, tmp_path: Path) -> None:
    with Library(copy) as library:
        export_to(library, tmp_path / "all.zip")
        contents = [entry.content for entry in library.entries()]
    forged = tmp_path / "forged.zip"
    with zipfile.ZipFile(tmp_path / "all.zip") as old, zipfile.ZipFile(forged, "w") as new:
        swapped = {f"{contents[0]}.safetensors": f"{contents[1]}.safetensors"}
        for name in old.namelist():
            new.writestr(name, old.read(swapped.get(name, name)))
    with Library(tmp_path / "new", create=True) as library:
        done = import_from(library, forged)
        assert done.entries == 2
        assert [each.subject for each in done.skipped] == [contents[0]]
        (tmp_path / "no.zip").write_bytes(b"nothing")
        with pytest.raises(CheckpointError, match="no archive"):
            import_from(library, tmp_path / "no.zip")


def test_build_adds_what_is_at_hand_once_and_goes_on_after_a_failure(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "model.safetensors").write_bytes(b"not one")
    catalogue = tmp_path / "models.csv"
    catalogue.write_text(
        f"name,path,family,parents\nbroken,{broken},x,\nfirst,{BASES / 'bert-0'},BERT,a;b\nabsent,nowhere,x,\n"
    )
    with Library(tmp_path / "library", create=True) as library:
        done = build_from(library, catalogue, None, Silent())
        assert (done.added, done.known, done.missing) == (("first",), (), ("absent",))
        assert [each.subject for each in done.failed] == ["broken"]
        assert library.entry("first").parents == ("a", "b")
        again = build_from(library, catalogue, None, Silent())
        assert (again.added, again.known) == ((), ("first",))
        catalogue.write_text("path\nx\n")
        with pytest.raises(UsageError, match="names no model"):
            build_from(library, catalogue, None, Silent())


def test_a_damaged_index_is_an_error_that_says_where(copy: Path) -> None:
    (copy / "index.sqlite").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    with pytest.raises(CheckpointError, match=r"index\.sqlite is damaged"):
        Library(copy)
