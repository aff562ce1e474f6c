"""A tensor in another basis: gains folded, centred, the residual stream or heads turned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprints.checkpoint import Array, Checkpoint, TensorInfo
from fingerprints.sampling import Ints
from fingerprints.values import widened

Floats32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rebased:
    """`source` with its axis `axis` multiplied by `gain`, centred, and turned by `matrix` (what is new first).

    Rows along another axis cost what they cost; those of an axis that is turned or centred need the whole tensor.
    """

    info: TensorInfo
    source: str
    axis: int
    gain: Floats32 | None = None
    centred: bool = False
    matrix: Floats32 | None = None
    scale: float = 1.0

    def take(self, inner: Checkpoint, indices: Ints) -> Array:
        """Rows at `indices`, float32."""
        length = inner.tensors[self.source].shape[0]
        if self.axis == 1:
            values = widened(inner.take(self.source, indices))
            if self.gain is not None:
                values = values * self.gain
            if self.centred:
                values = values - values.mean(axis=1, keepdims=True)
            if self.matrix is not None:
                values = values @ self.matrix.T
        elif self.matrix is None and not self.centred:
            values = widened(inner.take(self.source, indices))
            if self.gain is not None:
                values = values * self.gain[indices].reshape(-1, *(1,) * (values.ndim - 1))
        else:
            values = widened(inner.rows(self.source, 0, length))
            if self.gain is not None:
                values = values * self.gain.reshape(-1, *(1,) * (values.ndim - 1))
            if self.centred:
                values = values - values.mean(axis=0, keepdims=True)
            values = values[indices] if self.matrix is None else self.matrix[indices] @ values
        return np.ascontiguousarray(values * np.float32(self.scale))
