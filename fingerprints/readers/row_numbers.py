"""The row numbers that a caller of a checkpoint asks for, checked against the tensor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


def row_range(start: int, stop: int, length: int) -> Rows:
    """Return the rows `[start:stop]` of `length`.

    Raises
    ------
    IndexError
        When there are no such rows.
    """
    if not 0 <= start <= stop <= length:
        raise IndexError(f"rows {start}:{stop} of {length} rows")
    return np.arange(start, stop, dtype=np.int64)


def row_list(indices: Sequence[int] | Rows, length: int) -> Rows:
    """Return row numbers as an array.

    Raises
    ------
    IndexError
        When they are not sorted and distinct, or not below `length`.
    """
    wanted = np.asarray(indices, dtype=np.int64)
    if wanted.ndim != 1 or (wanted.size and (wanted[0] < 0 or wanted[-1] >= length)):
        raise IndexError(f"indices must be one list of numbers from 0 to {length - 1}")
    if wanted.size > 1 and not (np.diff(wanted) > 0).all():
        raise IndexError("indices must be sorted and distinct")
    return wanted
