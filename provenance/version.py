"""The versions of this program and of the libraries that its numbers may depend on, without importing any of them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

DISTRIBUTION = "provenance-auditor"


def installed(distribution: str) -> str:
    """The installed version of `distribution`, or `not installed`."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"
