"""GGUF files that are one part of several, as `llama-gguf-split` writes them: `name-00002-of-00003.gguf`.

The parts say which they are (`split.no`, from 0), and how many there are (`split.count`). Only the first has the
metadata of the model.

Source: https://github.com/ggml-org/llama.cpp/blob/master/tools/gguf-split/gguf-split.cpp
"""

from __future__ import annotations

import re
from typing import Final

from fingerprints.checkpoint import Finding
from fingerprints.errors import CheckpointError, CorruptCheckpoint
from fingerprints.readers.containment import require_inside
from fingerprints.readers.gguf_header import Header, read_header
from fingerprints.readers.gguf_values import Value
from fingerprints.readers.quoting import quoted
from fingerprints.readers.source import SourceFile

SPLIT_COUNT: Final = "split.count"
SPLIT_NUMBER: Final = "split.no"

_PART: Final = re.compile(r"^(?P<stem>.+)-(?P<at>\d{5})-of-(?P<total>\d{5})\.gguf$", re.IGNORECASE)


def check_split(header: Header, source: SourceFile, shard: str) -> list[Finding]:
    """Compare what a file says about the split with its name; report a part whose name does not tell that it is one.

    Raises
    ------
    CorruptCheckpoint
        When they contradict each other.
    """
    count, number = header.number(SPLIT_COUNT), header.number(SPLIT_NUMBER)
    if count is None or number is None or count < 2:
        return []
    match = _PART.match(shard)
    if match is None:
        message = f"it is part {number + 1} of {count}, and its name does not say so: the others were not looked for"
        return [Finding(code="split-part", subject=shard, message=message)]
    named = int(match["at"]), int(match["total"])
    if named != (number + 1, count):
        raise CorruptCheckpoint(
            f"{quoted(str(source.path))} is part {named[0]} of {named[1]} by its name, and part {number + 1} of {count}"
            " by its metadata",
            path=source.path,
            hint="give every part the name that it had when it was published",
            limit=count,
            actual=named[1],
        )
    return []


def common_metadata(header: Header, source: SourceFile, shard: str) -> dict[str, Value]:
    """Return the metadata of the model, which a later part of a split does not repeat; its own if there is no first."""
    match = _PART.match(shard)
    if match is None or not header.number(SPLIT_NUMBER) or "general.architecture" in header.metadata:
        return header.metadata
    first = f"{match['stem']}-{1:05}-of-{match['total']}{source.path.suffix}"
    try:
        other = SourceFile(require_inside(source.path.parent, first))
        try:
            return {**read_header(other).metadata, **header.metadata}
        finally:
            other.close()
    except CheckpointError:
        return header.metadata
