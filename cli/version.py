"""The text of `--version`."""

from __future__ import annotations

import platform

from provenance.version import DISTRIBUTION, installed

LIBRARIES = ("numpy", "torch")


def version_text() -> str:
    """`provenance X.Y.Z`, then Python and the libraries that do the arithmetic, one a line."""
    lines = [f"provenance {installed(DISTRIBUTION)}", f"python {platform.python_version()}"]
    return "\n".join(lines + [f"{library} {installed(library)}" for library in LIBRARIES]) + "\n"
