"""Where downloaded and trained checkpoints are kept between runs."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def root() -> Path:
    """`$PROVENANCE_CACHE`, or `.cache` in the repository."""
    named = os.environ.get("PROVENANCE_CACHE")
    return Path(named).expanduser() if named else REPOSITORY / ".cache"
