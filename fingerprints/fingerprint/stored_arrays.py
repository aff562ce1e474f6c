"""The arrays of a fingerprint file, handed out from front to back."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CorruptCheckpoint
from fingerprints.readers.quoting import quoted

HINT: Final = "take the fingerprint again: provenance fingerprint M -o FILE"


class StoredArrays:
    """The arrays of an opened file.

    Raises
    ------
    CorruptCheckpoint
        When one is missing, or of another type.
    """

    _DTYPES: Final = {"digests": "U8", "values": "I8", "norms": "F32", "entries": "F16", "scales": "F32"}

    def __init__(self, checkpoint: Checkpoint, path: Path) -> None:
        self._path = path
        self._left: dict[str, np.ndarray] = {}
        for name, dtype in self._DTYPES.items():
            info = checkpoint.tensors.get(name)
            if info is None or info.dtype != dtype or len(info.shape) != 1:
                raise CorruptCheckpoint(
                    f"the fingerprint {quoted(str(path))} has no array {name!r} of {dtype}", path=path, hint=HINT
                )
            self._left[name] = checkpoint.rows(name, 0, info.shape[0])

    def take(self, name: str, count: int) -> np.ndarray:
        """The next `count` elements of an array.

        Raises
        ------
        CorruptCheckpoint
            When fewer are left.
        """
        left = self._left[name]
        if count > len(left):
            raise CorruptCheckpoint(
                f"the header of the fingerprint {quoted(str(self._path))} asks for {count} more {name}, and"
                f" {len(left)} are left",
                path=self._path,
                hint=HINT,
                limit=len(left),
                actual=count,
            )
        self._left[name] = left[count:]
        return left[:count]
