"""The model card beside the weights: the front matter of README.md. Claims, read with suspicion."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from fingerprints.errors import CheckpointError
from fingerprints.readers.containment import require_inside
from fingerprints.readers.source import SourceFile

NAME: Final = "README.md"
MAX_BYTES: Final = 64 * 1024
"""Of a card that are looked at; its front matter comes first."""
FENCE: Final = "---"


def read_card(folder: Path) -> Mapping[str, Any]:
    """Return the front matter of the card in `folder`, every scalar as text; empty when there is none to be read."""
    try:
        if not (folder / NAME).is_file():
            return {}
        source = SourceFile(require_inside(folder, NAME))
        text = source.read(0, min(source.size, MAX_BYTES))
        source.close()
    except (CheckpointError, OSError):
        return {}
    return parse_front_matter(bytes(text).decode("utf-8", errors="replace"))


def parse_front_matter(text: str) -> Mapping[str, Any]:
    """Return the YAML between the first two lines of dashes as plain data.

    The base loader makes text of every scalar: a licence called `no` stays one, and no type is constructed.
    """
    lines = text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}").splitlines()
    if not lines or lines[0].rstrip() != FENCE:
        return {}
    end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() == FENCE), None)
    if end is None:
        return {}
    try:
        found = yaml.load("\n".join(lines[1:end]), Loader=yaml.BaseLoader)  # noqa: S506
    except (yaml.YAMLError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
