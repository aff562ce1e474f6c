"""Where the checkpoints of the bench are: those that the project ships, and those made or fetched here."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]

DATA = REPOSITORY / "bench" / "data"
"""What the project ships of the zoo: the bases and their tokenizer."""


def root() -> Path:
    """`$PROVENANCE_CACHE`, or `.cache` in the repository."""
    named = os.environ.get("PROVENANCE_CACHE")
    return Path(named).expanduser() if named else REPOSITORY / ".cache"


def sha256(file: Path) -> str:
    """Hex digest of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def record(text: str) -> dict[str, Any]:
    """A record from its JSON, with tuples for lists."""
    return {name: _frozen(value) for name, value in json.loads(text).items()}


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _frozen(each) for name, each in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def key(value: object) -> str:
    """A file name for what a value of JSON decides."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
