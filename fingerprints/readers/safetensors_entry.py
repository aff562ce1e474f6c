"""One entry of a safetensors header: the type, the shape and the place of a tensor."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

from fingerprints.errors import CorruptCheckpoint
from fingerprints.readers.element_types import ELEMENT_TYPES, ElementType
from fingerprints.readers.quoting import quoted
from fingerprints.readers.reader import MAX_RANK

_MAX_OFFSET = 1 << 63
_FIELDS = {"dtype", "shape", "data_offsets"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A tensor as the header describes it; `start` and `stop` count from the end of the header."""

    name: str
    element: ElementType
    shape: tuple[int, ...]
    start: int
    stop: int


def parse_entry(name: str, value: object, *, path: Path, hint: str) -> Entry:
    """Check one entry against itself.

    Raises
    ------
    CorruptCheckpoint
        When it lacks a field, when a field has the wrong type or range, or when shape x type is not the length.
    """
    reason = _name_fault(name)
    if reason is None and (not isinstance(value, dict) or not value.keys() >= _FIELDS):
        missing = sorted(_FIELDS - value.keys()) if isinstance(value, dict) else sorted(_FIELDS)
        reason = f"it lacks {len(missing)} of 3 fields: {', '.join(missing)}"
    if reason is None and isinstance(value, dict):
        element, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
        known = ELEMENT_TYPES.get(element) if isinstance(element, str) else None
        if known is None or known.name == "C128":
            reason = f"its type {_shown(element)} is none of the {len(ELEMENT_TYPES) - 1} of the format"
        elif not isinstance(shape, list) or len(shape) > MAX_RANK:
            rank = len(shape) if isinstance(shape, list) else type(shape).__name__
            reason = f"its shape must be a list of at most {MAX_RANK} lengths, not {rank}"
        elif not all(type(length) is int and 0 <= length < _MAX_OFFSET for length in shape):
            reason = f"its shape {_shown(*shape)} holds something other than lengths from 0 to 2**63 - 1"
        elif not isinstance(offsets, list) or len(offsets) != 2:
            reason = "its data_offsets are not a list of 2 numbers"
        elif not all(type(offset) is int and 0 <= offset < _MAX_OFFSET for offset in offsets):
            reason = f"its data_offsets {_shown(*offsets)} are not numbers from 0 to 2**63 - 1"
        elif offsets[0] > offsets[1]:
            reason = f"its data_offsets {offsets[0]} and {offsets[1]} are reversed"
        else:
            expected = known.stored_bytes(prod(shape))
            if expected == offsets[1] - offsets[0]:
                return Entry(name=name, element=known, shape=tuple(shape), start=offsets[0], stop=offsets[1])
            reason = (
                f"{known.name} of shape {shape} does not fill whole bytes"
                if expected is None
                else f"{known.name} of shape {shape} takes {expected} bytes, its data_offsets span"
                f" {offsets[1] - offsets[0]}"
            )
    raise CorruptCheckpoint(
        f"the tensor {quoted(name)} of {quoted(str(path))} is refused: {reason}", path=path, hint=hint
    )


def _name_fault(name: str) -> str | None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        return f"character {error.start} of its name is half of a surrogate pair"
    return None


def _shown(*values: object) -> str:
    scalars = (value if isinstance(value, str | int | float) else type(value).__name__ for value in values)
    return quoted(", ".join(str(scalar)[:80] for scalar in scalars))
