"""The wheel: what is in it, and that it works where only it and its dependencies are installed."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("cli", "fingerprints", "provenance")

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; its dependencies are those of the running interpreter, found by path."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", folder, cwd=folder)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=folder)
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    dependencies = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (site / "dependencies.pth").write_text("".join(f"{path}\n" for path in dependencies))
    return folder


def test_the_wheel_holds_the_three_packages_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    (metadata,) = (top for top in tops if top.endswith(".dist-info"))
    assert tops == {*PACKAGES, metadata}
    assert f"{metadata}/licenses/LICENSE" in names
    assert not [name for name in names if name.endswith((".pyc", ".tmp")) or "__pycache__" in name]


def test_the_wheel_holds_all_modules_and_data_files(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    present = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in (".py", ".json", ".toml", ".html", ".css", ".js") or path.name == "py.typed"
    }
    assert {f"{package}/py.typed" for package in PACKAGES} <= present
    assert present <= names


def test_the_console_script_works_from_the_wheel(installed: Path) -> None:
    text = run(installed / "bin" / "provenance", "--version", cwd=installed)
    assert text.splitlines()[0].startswith("provenance ")
    assert text.splitlines()[0].removeprefix("provenance ")[0].isdigit()
    assert run(installed / "bin" / "provenance", "compare", "--help", cwd=installed).startswith("Usage: provenance")


def test_the_packages_are_imported_from_the_wheel(installed: Path) -> None:
    code = f"import importlib; print(*[importlib.import_module(p).__file__ for p in {PACKAGES!r}], sep='\\n')"
    places = run(installed / "bin" / "python", "-c", code, cwd=installed).splitlines()
    assert all(Path(place).is_relative_to(installed) for place in places), places
