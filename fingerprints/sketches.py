"""Some hundred numbers of each tensor of one shape, by which tensors are told apart when names do not.

All come from one half of the units (`Half.SEARCH`), so that whatever is chosen by them is tested on others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ml_dtypes
import numpy as np
import numpy.typing as npt

from fingerprints.anatomy import Part
from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CheckpointError
from fingerprints.kernels.index_test import FEWEST_UNITS
from fingerprints.sampling import RUN, Half, Ints, spread, units
from fingerprints.values import widened

NUMBERS = 1024
FEWEST_ROWS = 2
OUTLIER = 6.0
"""Deviations from the median beyond which a value is cut off: one outlier must not make two vectors alike."""

Floats32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketches:
    """Sketches of tensors of one shape.

    Attributes
    ----------
    values : ndarray of float32, shape (n, k)
        What was read; zero where nothing could be.
    vectors : ndarray of float32, shape (n, k)
        Its rows without outliers, centred, of length one; zero for constant tensors.
    constants : tuple
        The value of each tensor that is constant where it was read, in the precision of bfloat16; else None.
    """

    values: Floats32
    vectors: Floats32
    constants: tuple[float | None, ...]

    @classmethod
    def of(cls, parts: Sequence[Part], checkpoint: Checkpoint, seed: int) -> Sketches:
        """Read the sketches of parts of one shape.

        Parameters
        ----------
        parts : sequence of Part
            At least one.
        checkpoint : Checkpoint
            Two rows or more of each are read, until there are 1024 numbers.
        seed : int
            Moves the positions.
        """
        places = _positions(parts[0].shape, seed)
        rest = int(np.prod(parts[0].shape[2:], dtype=np.int64))
        size = int(np.prod([len(place) for place in places], dtype=np.int64)) * rest
        values, vectors = np.zeros((2, len(parts), size), dtype=np.float32)
        constants: list[float | None] = [None] * len(parts)
        for i, part in enumerate(parts):
            found = _read(part, checkpoint, places) if size else None
            if found is None:
                continue
            values[i] = found
            if (found == found[0]).all():
                constants[i] = _rounded(found[0])
            else:
                vectors[i] = _unit(found)
        return cls(values=values, vectors=vectors, constants=tuple(constants))


def _positions(shape: tuple[int, ...], seed: int) -> tuple[Ints, ...]:
    """Rows and columns to read: few whole rows of wide tensors, since a row costs the same however little is kept."""
    if len(shape) == 1:
        return (units(shape[0], NUMBERS, seed=seed, half=Half.SEARCH),)
    rest = int(np.prod(shape[2:], dtype=np.int64))
    columns = _some(shape[1], max(1, NUMBERS // (FEWEST_ROWS * max(rest, 1))), seed)
    rows = _some(shape[0], max(FEWEST_ROWS, -(-NUMBERS // max(len(columns) * rest, 1))), seed)
    return rows, columns


def _some(length: int, count: int, seed: int) -> Ints:
    """Spread units of the half for searches; all units of an axis too short to be tested."""
    if length < FEWEST_UNITS:
        return np.arange(length, dtype=np.int64)
    found = units(length, max(count, RUN), seed=seed, half=Half.SEARCH)
    return found[spread(len(found), count)] if len(found) else found


def _read(part: Part, checkpoint: Checkpoint, places: tuple[Ints, ...]) -> npt.NDArray[np.float64] | None:
    try:
        values = widened(checkpoint.take(part.name, places[0]))
    except CheckpointError:
        return None
    flat = (values if len(places) == 1 else values[:, places[1]]).astype(np.float64).ravel()
    return flat if np.isfinite(flat).all() else None


def _unit(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Outliers cut off, centred, of length one."""
    middle = float(np.median(values))
    deviation = float(np.median(np.abs(values - middle)))
    if deviation > 0:
        values = np.clip(values, middle - OUTLIER * deviation, middle + OUTLIER * deviation)
    values = values - values.mean()
    norm = float(np.linalg.norm(values))
    return values / norm if norm > 0 else values


def _rounded(value: float) -> float:
    """In the precision of bfloat16: a constant is the same constant after a cast."""
    return float(np.asarray(value, dtype=np.float64).astype(ml_dtypes.bfloat16))
