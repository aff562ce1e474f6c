"""A fingerprint as a checkpoint: all headers are there, and no tensor can be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from fingerprints.adapters import open_model as open_weights
from fingerprints.checkpoint import Array, Checkpoint, Origin, TensorInfo
from fingerprints.errors import UnreadableTensor
from fingerprints.fingerprint.file import FORMAT, decode, is_fingerprint
from fingerprints.fingerprint.fingerprint import Fingerprint
from fingerprints.readers.closing import Closing
from fingerprints.readers.quoting import quoted


def open_model(path: str | Path, *, variant: str | None = None) -> Checkpoint:
    """Open a checkpoint, or a fingerprint as a `FingerprintCheckpoint`.

    Raises
    ------
    CheckpointError
        When the input is at fault.
    UsageError
        When there is no set called `variant`.
    """
    opened = open_weights(path, variant=variant)
    if not is_fingerprint(opened):
        return opened
    with opened:
        return FingerprintCheckpoint(decode(opened), opened.origin)


class FingerprintCheckpoint(Closing):
    """What is left of a checkpoint: its headers, and `fingerprint`.

    Parameters
    ----------
    fingerprint : Fingerprint
        The evidence.
    origin : Origin
        Of the file that holds it.
    """

    def __init__(self, fingerprint: Fingerprint, origin: Origin) -> None:
        self.fingerprint = fingerprint
        self._origin = Origin(
            reference=origin.reference,
            path=origin.path,
            format=FORMAT,
            shards=origin.shards,
            config=fingerprint.claims,
            findings=origin.findings,
        )

    @property
    def origin(self) -> Origin:
        """Where the fingerprint lies; its configuration is what the checkpoint claimed."""
        return self._origin

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:
        """Tensors that the checkpoint had."""
        return self.fingerprint.tensors

    @property
    def bytes_total(self) -> int:
        """Bytes of the checkpoint's tensors."""
        return sum(info.nbytes for info in self.tensors.values())

    @property
    def bytes_read(self) -> int:
        """None: the weights are not there."""
        return 0

    def rows(self, name: str, start: int, stop: int) -> Array:
        """Refuse."""
        self._refuse(name)

    def take(self, name: str, indices: Sequence[int] | npt.NDArray[np.int64]) -> Array:
        """Refuse."""
        self._refuse(name)

    def blocks(self, name: str, max_bytes: int = 1 << 25) -> Iterator[Array]:
        """Refuse."""
        self._refuse(name)

    def _refuse(self, name: str) -> NoReturn:
        raise UnreadableTensor(
            f"the values of {quoted(name)} are not there: {quoted(str(self._origin.path))} is a fingerprint",
            path=self._origin.path,
            tensor=name,
            hint="give the checkpoint itself",
        )

    def close(self) -> None:
        """Nothing is open."""
