"""A checkpoint that lives in memory, for tests of what stands above the readers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ml_dtypes
import numpy as np
import numpy.typing as npt

from fingerprints.checkpoint import Array, Origin, TensorInfo
from fingerprints.errors import UnreadableTensor

DTYPES = {
    np.dtype(np.bool_): "BOOL",
    np.dtype(np.uint8): "U8",
    np.dtype(np.int8): "I8",
    np.dtype(np.int32): "I32",
    np.dtype(np.int64): "I64",
    np.dtype(np.float16): "F16",
    np.dtype(np.float32): "F32",
    np.dtype(np.float64): "F64",
    np.dtype(np.complex64): "C64",
    np.dtype(ml_dtypes.bfloat16): "BF16",
    np.dtype(ml_dtypes.float8_e4m3fn): "F8_E4M3",
    np.dtype(ml_dtypes.float8_e5m2): "F8_E5M2",
}


class InMemory:
    """Arrays by name as a `fingerprints.checkpoint.Checkpoint`.

    `storage` names tensors stored at one place, `broken` those that cannot be read. `taken` records which rows of which
    tensor were asked for.
    """

    def __init__(
        self,
        arrays: Mapping[str, npt.NDArray[Any]],
        *,
        storage: Mapping[str, str] | None = None,
        broken: Sequence[str] = (),
    ) -> None:
        self.arrays = {name: np.asarray(values) for name, values in arrays.items()}
        self.broken = set(broken)
        self.taken: list[tuple[str, tuple[int, ...]]] = []
        self.tensors = {
            name: TensorInfo(
                name=name,
                shape=values.shape,
                dtype=DTYPES[values.dtype],
                shard="memory",
                nbytes=values.nbytes,
                storage=(storage or {}).get(name),
            )
            for name, values in self.arrays.items()
        }
        self.bytes_read = 0

    @property
    def origin(self) -> Origin:
        return Origin(reference="memory", path=Path("memory"), format="memory", shards=("memory",))

    @property
    def bytes_total(self) -> int:
        return sum(info.nbytes for info in self.tensors.values())

    def rows(self, name: str, start: int, stop: int) -> Array:
        return self.take(name, list(range(start, stop)))

    def take(self, name: str, indices: Sequence[int] | npt.NDArray[np.int64]) -> Array:
        if name in self.broken:
            raise UnreadableTensor(f"the tensor {name} cannot be read", path=Path("memory"), tensor=name)
        values = self.arrays[name]
        wanted = np.asarray(indices, dtype=np.int64)
        assert wanted.size < 2 or (np.diff(wanted) > 0).all(), "rows must be sorted and distinct"
        self.taken.append((name, tuple(wanted.tolist())))
        taken = np.ascontiguousarray((values if values.shape else values[None])[wanted])
        self.bytes_read += taken.nbytes
        return taken

    def blocks(self, name: str, max_bytes: int = 1 << 25) -> Iterator[Array]:
        if name in self.broken:
            raise UnreadableTensor(f"the tensor {name} cannot be read", path=Path("memory"), tensor=name)
        flat = self.arrays[name].ravel()
        step = max(1, max_bytes // flat.itemsize)
        for start in range(0, flat.size, step):
            yield flat[start : start + step].copy()

    def close(self) -> None:
        """Nothing to give back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def empty(shapes: Mapping[str, tuple[int, ...]]) -> InMemory:
    """Names and shapes of any size, as views of a single zero: for code that reads no value."""
    zero = np.zeros((), dtype=np.float32)
    return InMemory({name: np.broadcast_to(zero, shape) for name, shape in shapes.items()})


def gaussian(
    shapes: Mapping[str, tuple[int, ...]], seed: int, scale: float = 0.02
) -> dict[str, npt.NDArray[np.float32]]:
    """Values as an initialisation leaves them: gains near one, biases near zero, matrices small and Gaussian."""
    values = {}
    for place, name in enumerate(sorted(shapes)):
        rng = np.random.default_rng((seed, place))
        noise = scale * rng.standard_normal(shapes[name])
        gain = len(shapes[name]) == 1 and name.endswith("weight")
        values[name] = (noise + 1 if gain else noise).astype(np.float32)
    return {name: values[name] for name in shapes}
