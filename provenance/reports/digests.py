"""What a result's digest covers, for formats that name the algorithm beside the value."""

from __future__ import annotations

import re
from dataclasses import dataclass

from provenance.result import ModelSummary

_DIGEST = re.compile(r"(content|header):(blake2b):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """`content` covers names, types, shapes and every value of a checkpoint, `header` all of these but the values;
    neither is the hash of a file.
    """

    covers: str
    algorithm: str
    value: str


def digest_of_side(side: ModelSummary) -> Digest | None:
    """The parts of the side's digest; None for one of an unknown form."""
    found = _DIGEST.fullmatch(side.digest)
    return None if found is None else Digest(covers=found[1], algorithm=found[2], value=found[3])
