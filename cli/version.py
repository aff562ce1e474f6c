"""The text of `--version`."""

from __future__ import annotations

from provenance.result import SCHEMA_VERSION
from provenance.version import EXTRAS, NOT_INSTALLED, environment


def version_text() -> str:
    """`provenance X.Y.Z`, then what its numbers may depend on, one a line; extras that are missing say so."""
    found = environment()
    missing = [
        f"{library} {NOT_INSTALLED} (extra: {extra})" for extra, library in EXTRAS.items() if library not in found
    ]
    lines = [f"{name} {version}" for name, version in found.items()]
    return "\n".join([*lines, *missing, f"result-schema {SCHEMA_VERSION}"]) + "\n"
