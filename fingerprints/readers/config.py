"""The config.json or params.json beside the weights: a claim about them, and no reason to fail."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from fingerprints.checkpoint import Finding
from fingerprints.errors import CheckpointError, LimitExceeded
from fingerprints.readers.bounded_json import parse_object
from fingerprints.readers.containment import require_inside
from fingerprints.readers.quoting import quoted
from fingerprints.readers.source import SourceFile

NAME: Final = "config.json"
PARAMS: Final = "params.json"
"""What Meta's and Mistral's own files are accompanied by."""
MAX_CONFIG: Final = 10_000_000
"""Bytes of the largest configuration that is read."""


def read_config(folder: Path, name: str = NAME) -> tuple[Mapping[str, Any], list[Finding]]:
    """Return the parsed configuration, empty if there is none, and a finding if there is one that cannot be used."""
    try:
        if not (folder / name).is_symlink() and not (folder / name).is_file():
            return {}, []
    except OSError:
        return {}, []
    try:
        source = SourceFile(require_inside(folder, name))
        if source.size >= MAX_CONFIG:
            raise LimitExceeded(
                f"{quoted(str(source.path))} has {source.size} bytes, more than {MAX_CONFIG}",
                path=source.path,
                hint=f"download {name} again",
                limit=MAX_CONFIG,
                actual=source.size,
            )
        data = source.read(0, source.size)
        source.close()
        return parse_object(data, path=source.path, what="the text", hint=f"download {name} again", constants=True), []
    except CheckpointError as error:
        return {}, [Finding(code="config-unreadable", subject=name, message=error.message)]
