"""The versions of this program and of all that its numbers may depend on, without importing any of it."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Final

DISTRIBUTION: Final = "provenance-auditor"
LIBRARIES: Final = ("numpy", "scipy", "torch", "ml_dtypes", "safetensors", "gguf", "huggingface_hub")
"""What reads weights and computes with them."""
EXTRAS: Final = {"fast": "numba", "formats": "h5py", "table": "pyarrow", "bom": "cyclonedx-python-lib"}
"""What only an extra installs."""
NOT_INSTALLED: Final = "not installed"


def installed(distribution: str) -> str:
    """The installed version of `distribution`, or `not installed`."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return NOT_INSTALLED


def environment() -> dict[str, str]:
    """Version by name: the program, Python, the machine, the libraries, and those of extras that are installed."""
    found = {
        "provenance": installed(DISTRIBUTION),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        **{library: installed(library) for library in LIBRARIES},
    }
    extras = {library: installed(library) for library in EXTRAS.values()}
    return found | {library: number for library, number in extras.items() if number != NOT_INSTALLED}
