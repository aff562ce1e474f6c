"""The versions that a number in a report may depend on, without importing any of them."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

DISTRIBUTION = "provenance-auditor"
LIBRARIES = ("numpy", "torch")


def version_text() -> str:
    """`provenance X.Y.Z`, then Python and the libraries that do the arithmetic, one a line."""
    lines = [f"provenance {installed(DISTRIBUTION)}", f"python {platform.python_version()}"]
    return "\n".join(lines + [f"{library} {installed(library)}" for library in LIBRARIES]) + "\n"


def installed(distribution: str) -> str:
    """The installed version of `distribution`, or `not installed`."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"
