"""A checkpoint as the rest of the program sees it: named tensors that can be read row by row.

Readers (`fingerprints.readers`) turn every format into a `Checkpoint`; nothing above them knows a format.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How a tensor's numbers are stored where that is not one element after another.

    `scheme` is the field's name of it (`Q4_K`, `gptq`, `awq`, `nf4`, `fp8`, …), `bits` a weight's bits without scales,
    `group_size` how many weights share a scale along the input axis (None: a row or the whole tensor),
    `fraction_bits` the digits behind the point of a small float (None: integers or a code book).
    """

    scheme: str
    bits: float
    group_size: int | None = None
    fraction_bits: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorInfo:
    """One tensor as its container declares it.

    `dtype` uses the safetensors spelling (`F32`, `BF16`, `F8_E4M3`, `I64`, `BOOL`, …) in every format; where the tensor
    is stored in an `encoding`, it is the type of the decoded numbers. `nbytes` counts stored bytes.
    `shard` is the file it lies in, relative to the checkpoint, with `/` separators. Two names with equal
    `storage` are one tensor listed twice (tied weights in a pickle).
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    shard: str
    nbytes: int
    storage: str | None = None
    encoding: Encoding | None = None

    @property
    def stored_as(self) -> str:
        """The scheme of the encoding, or the element type."""
        return self.dtype if self.encoding is None else self.encoding.scheme

    @property
    def size(self) -> int:
        """Number of elements."""
        count = 1
        for length in self.shape:
            count *= length
        return count


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightSet:
    """One complete set of weights in a folder that may hold several (`model.safetensors` beside `pytorch_model.bin`).

    `name` is what `--variant` takes; `readable` is False for formats that are recognised only.
    """

    name: str
    format: str
    files: tuple[str, ...]
    nbytes: int
    readable: bool = True
    chosen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something odd about a checkpoint that a report should mention, and where.

    `code` is a stable identifier such as `weight-sets-disagree`; `subject` a tensor, file or weight set.
    """

    code: str
    subject: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What is known about where a checkpoint came from, apart from its tensors."""

    reference: str
    path: Path
    format: str
    shards: tuple[str, ...]
    weight_sets: tuple[WeightSet, ...] = ()
    findings: tuple[Finding, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    """Parsed config.json beside the weights, or empty. A claim, never evidence."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """The container's own metadata (`__metadata__` of safetensors …). A claim, never evidence."""
    revision: str | None = None
    """The commit of the repository that it was read from."""


@runtime_checkable
class Checkpoint(Protocol):
    """Named tensors, readable in part.

    Arrays come in the tensor's own dtype (`ml_dtypes` for bf16 and fp8), C-contiguous, native byte order, and belong
    to the caller. Rows are slices along axis 0; a 0-d tensor counts as one row. Methods are safe to call from several
    threads.

    Raises
    ------
    UnreadableTensor
        When one tensor cannot be read.
    CorruptCheckpoint
        When the file changed or ends early.
    """

    @property
    def origin(self) -> Origin:
        """Where it came from."""
        ...

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:
        """Tensors by name, in the order of the container."""
        ...

    @property
    def bytes_total(self) -> int:
        """Bytes of all tensors as stored."""
        ...

    @property
    def bytes_read(self) -> int:
        """Bytes of tensor data read so far, headers excluded."""
        ...

    def rows(self, name: str, start: int, stop: int) -> Array:
        """Rows `[start:stop]`, shape `(stop - start, *shape[1:])`."""
        ...

    def take(self, name: str, indices: Sequence[int] | npt.NDArray[np.int64]) -> Array:
        """Rows at sorted, distinct `indices`, shape `(len(indices), *shape[1:])`; reads no other rows."""
        ...

    def blocks(self, name: str, max_bytes: int = 1 << 25) -> Iterator[Array]:
        """The whole tensor, in order, as flat arrays of at most `max_bytes` each (memory stays bounded)."""
        ...

    def close(self) -> None:
        """Give file handles back."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
