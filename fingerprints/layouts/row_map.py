"""Which rows of a fused matrix belong to one of its parts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowMap:
    """Runs of `run` rows, the first at `start`, one every `stride` rows; `count` rows in all.

    One run is a plain block (q, then k, then v); runs of a head each are heads side by side; runs of 1 with a stride
    of 2 are every other row.
    """

    count: int
    start: int = 0
    run: int
    stride: int

    def __call__(self, indices: Ints) -> Ints:
        """Rows of the fused matrix for rows of the part; increasing where `indices` are."""
        return np.asarray(self.start + indices // self.run * self.stride + indices % self.run, dtype=np.int64)

    @property
    def label(self) -> str:
        """The map in a few characters, different for different maps."""
        return f"{self.start}+{self.count}/{self.run}/{self.stride}"


def block(start: int, count: int) -> RowMap:
    """`count` neighbouring rows."""
    return RowMap(start=start, count=count, run=max(count, 1), stride=max(count, 1))


def side_by_side(group: int, parts: tuple[int, ...], groups: int) -> tuple[RowMap, ...]:
    """The parts of a matrix whose rows are `groups` groups of `group` rows, `parts` of which follow each other."""
    starts = np.cumsum((0, *parts)).tolist()
    return tuple(
        RowMap(start=start, count=groups * part, run=part, stride=group)
        for start, part in zip(starts, parts, strict=False)
    )
