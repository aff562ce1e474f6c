"""What a comparison read: which rows of which tensors, and their digests, for anybody to read them again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CheckpointError, UsageError
from fingerprints.recorded_checkpoint import Reading, digest_of_rows
from provenance.result import to_json

SCHEMA_VERSION = 1
_HINT = "give the folder that `--evidence` wrote, unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """What was read of A and of B, each tensor under the name that it has in its checkpoint."""

    a: tuple[Reading, ...]
    b: tuple[Reading, ...]
    schema_version: int = SCHEMA_VERSION


def encode_samples(samples: Samples) -> str:
    """`samples` as JSON: a line a tensor, in ASCII."""
    lines = [f'{{"schema_version": {samples.schema_version},']
    for side, readings in (("a", samples.a), ("b", samples.b)):
        entries = ",\n  ".join(json.dumps(to_json(reading)) for reading in readings)
        lines.append(f' "{side}": [\n  {entries}\n ]{"," if side == "a" else ""}')
    return "\n".join(lines) + "}\n"


def decode_samples(text: str) -> Samples:
    """What `encode_samples` wrote.

    Raises
    ------
    UsageError
        When `text` is anything else.
    """
    try:
        plain = json.loads(text)
        if plain["schema_version"] != SCHEMA_VERSION:
            raise UsageError(f"the samples have schema_version {plain['schema_version']!a:.100}", hint=_HINT)
        return Samples(a=tuple(map(_reading, plain["a"])), b=tuple(map(_reading, plain["b"])))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UsageError(f"these are no samples of a comparison: {error!a:.200}", hint=_HINT) from error


def read_again(checkpoint: Checkpoint, readings: tuple[Reading, ...]) -> Iterator[tuple[Reading, str]]:
    """Each reading, with the digest of the same rows now, or why there is none."""
    for reading in readings:
        info = checkpoint.tensors.get(reading.name)
        if info is None:
            yield reading, "there is no such tensor"
        elif (info.shape, info.dtype) != (reading.shape, reading.dtype):
            yield reading, f"it is {info.dtype} {list(info.shape)}, not {reading.dtype} {list(reading.shape)}"
        else:
            try:
                yield reading, digest_of_rows(checkpoint, reading.name, reading.rows)
            except CheckpointError as error:
                yield reading, error.message


def _reading(plain: Mapping[str, Any]) -> Reading:
    """One entry; its rows lie in its shape, one run behind the other."""
    shape = tuple(map(_count, plain["shape"]))
    rows = tuple((_count(first), _count(last)) for first, last in plain["rows"])
    edges = [edge for first, last in rows for edge in (first, last + 1)]
    if edges != sorted(edges) or any(last < first for first, last in rows):
        raise ValueError("rows out of order")
    if edges and edges[-1] > (shape[0] if shape else 1):
        raise ValueError("rows beyond the end")
    texts = {name: _text(plain[name]) for name in ("name", "dtype", "stored_as", "sha256")}
    return Reading(shape=shape, rows=rows, **texts)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!a:.40} is no position")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!a:.40} is no text")
    return value
