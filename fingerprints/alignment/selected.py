"""A tensor with some of its rows and columns, in another order: one side of a pair in the other's coordinates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fingerprints.alignment.axis_map import Floats32
from fingerprints.checkpoint import Array, Checkpoint, TensorInfo
from fingerprints.sampling import Ints


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Selected:
    """Rows `axes[0]` and columns `axes[1]` of `source`; None takes all of an axis. Costs the rows that are taken.

    `signs` are multiplied in afterwards, one vector an axis or None.
    """

    info: TensorInfo
    source: str
    axes: tuple[Ints | None, ...]
    signs: tuple[Floats32 | None, ...] = ()

    def take(self, inner: Checkpoint, indices: Ints) -> Array:
        """Rows at `indices` of the view."""
        chosen = indices if self.axes[0] is None else self.axes[0][indices]
        rows, place = np.unique(chosen, return_inverse=True)
        values = inner.take(self.source, rows)
        if len(rows) != len(chosen) or not np.array_equal(rows, chosen):
            values = values[place]
        for axis, columns in enumerate(self.axes[1:], start=1):
            if columns is not None:
                values = np.take(values, columns, axis=axis)
        for axis, signs in enumerate(self.signs):
            if signs is not None:
                along = signs[indices] if axis == 0 else signs
                values = (values * along.reshape(-1, *(1,) * (values.ndim - 1 - axis))).astype(values.dtype)
        return np.ascontiguousarray(values)
