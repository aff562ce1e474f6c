"""A diffusers repository: several models in sub-folders, named by `model_index.json`, seen as one checkpoint.

Format: https://huggingface.co/docs/diffusers/using-diffusers/loading#diffusionpipeline-explained
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from fingerprints.checkpoint import Array, Checkpoint, Origin, TensorInfo
from fingerprints.errors import UsageError
from fingerprints.readers.closing import Closing
from fingerprints.readers.config import read_config
from fingerprints.readers.found_set import FoundSet, is_plain_sub_folder
from fingerprints.readers.quoting import quoted
from fingerprints.readers.slabs import take_within

INDEX_NAME: Final = "model_index.json"
FORMAT: Final = "diffusers"


def pipeline_parts(folder: Path, found: Sequence[FoundSet]) -> list[FoundSet]:
    """Return the sub-folders that are the models of a pipeline; none where the folder has weights of its own."""
    if not found or not is_plain_sub_folder(found[0]):
        return []
    index, _ = read_config(folder, INDEX_NAME)
    return sorted(
        (known for known in found if is_plain_sub_folder(known) and isinstance(index.get(known.name), list)),
        key=lambda known: known.name,
    )


class PipelineCheckpoint(Closing):
    """Checkpoints by the name of their sub-folder, which their tensors' names begin with; see `Checkpoint`."""

    def __init__(self, origin: Origin, parts: Mapping[str, Checkpoint]) -> None:
        self._origin, self._parts = origin, parts
        self._places: dict[str, tuple[Checkpoint, str]] = {}
        tensors: dict[str, TensorInfo] = {}
        for part, checkpoint in parts.items():
            for name, info in checkpoint.tensors.items():
                full = f"{part}.{name}"
                storage = None if info.storage is None else f"{part}/{info.storage}"
                tensors[full] = replace(info, name=full, shard=f"{part}/{info.shard}", storage=storage)
                self._places[full] = checkpoint, name
        self._tensors = MappingProxyType(tensors)

    @property
    def origin(self) -> Origin:
        """Where the repository came from."""
        return self._origin

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:
        """Tensors of all models by name, `unet.…`, `vae.…`."""
        return self._tensors

    @property
    def bytes_total(self) -> int:
        """Bytes of all tensors as stored."""
        return sum(checkpoint.bytes_total for checkpoint in self._parts.values())

    @property
    def bytes_read(self) -> int:
        """Bytes of tensor data read so far, headers excluded."""
        return sum(checkpoint.bytes_read for checkpoint in self._parts.values())

    def rows(self, name: str, start: int, stop: int) -> Array:
        """Rows `[start:stop]`, shape `(stop - start, *shape[1:])`."""
        checkpoint, inner = self._find(name)
        return checkpoint.rows(inner, start, stop)

    def take(self, name: str, indices: Sequence[int] | npt.NDArray[np.int64]) -> Array:
        """Rows at sorted, distinct `indices`, shape `(len(indices), *shape[1:])`; reads no other rows."""
        checkpoint, inner = self._find(name)
        return checkpoint.take(inner, indices)

    def take_within(self, name: str, place: int, indices: Sequence[int] | npt.NDArray[np.int64]) -> Array:
        """Rows at sorted, distinct `indices` of index `place` along axis 0, shape `(len(indices), *shape[2:])`."""
        checkpoint, inner = self._find(name)
        return take_within(checkpoint, inner, place, indices)

    def blocks(self, name: str, max_bytes: int = 1 << 25) -> Iterator[Array]:
        """The whole tensor, in order, as flat arrays of at most `max_bytes` each."""
        checkpoint, inner = self._find(name)
        return checkpoint.blocks(inner, max_bytes)

    def close(self) -> None:
        """Give all file handles back."""
        with ExitStack() as stack:
            for checkpoint in self._parts.values():
                stack.callback(checkpoint.close)

    def _find(self, name: str) -> tuple[Checkpoint, str]:
        found = self._places.get(name)
        if found is None:
            raise UsageError(
                f"there is no tensor {quoted(name)} among {len(self._places)}", hint="names are case-sensitive"
            )
        return found
