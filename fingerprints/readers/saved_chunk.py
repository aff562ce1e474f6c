"""One tensor that `torch.save` wrote into the midst of a larger file, found there when it is first read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from fingerprints.checkpoint import Array, TensorInfo
from fingerprints.errors import CheckpointError
from fingerprints.readers.decoded_tensor import unreadable
from fingerprints.readers.row_tensor import RowTensor
from fingerprints.readers.source_window import SourceWindow
from fingerprints.readers.torch_zip import TorchZipReader

_READER: Final = TorchZipReader()


class SavedChunk:
    """A tensor of the shape and type of `info`, which the file in `window` must have.

    What leads to its rows (the list of members and a short pickle) is read once, and not counted as tensor data.
    """

    def __init__(self, info: TensorInfo, window: SourceWindow) -> None:
        self.info = info
        self._window = window
        self._stored: RowTensor | None = None

    @property
    def row_count(self) -> int:
        """Length of axis 0; a 0-d tensor counts as one row."""
        return self.info.shape[0] if self.info.shape else 1

    def cost(self, rows: int) -> int | None:
        """Bytes that reading `rows` rows takes, as the description has it."""
        return rows * (self.info.nbytes // max(self.row_count, 1))

    def take(self, indices: npt.NDArray[np.int64]) -> tuple[Array, int]:
        """Return the rows at sorted, distinct `indices`, and how many bytes were read for them."""
        return self._find().take(indices)

    def blocks(self, max_bytes: int) -> Iterator[tuple[Array, int]]:
        """Yield the elements in order as flat arrays of at most `max_bytes`, each with the bytes read for it."""
        return self._find().blocks(max_bytes)

    def _find(self) -> RowTensor:
        if self._stored is None:
            try:
                containers = _READER.read(self._window, self.info.shard).containers
            except CheckpointError as error:
                raise unreadable(self.info, self._window.path, error.message) from error
            found = [tensor for tensors in containers.values() for tensor in tensors.values()]
            kinds = [(tensor.info.shape, tensor.info.dtype) for tensor in found]
            if kinds != [(self.info.shape, self.info.dtype)]:
                described = f"{self.info.dtype} {self.info.shape} is described"
                raise unreadable(
                    self.info, self._window.path, f"{described}, {len(kinds)} tensors {kinds[:2]} are there"
                )
            self._stored = found[0]
        return self._stored
