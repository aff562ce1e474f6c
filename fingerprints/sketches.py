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

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketches:
    """Sketches of tensors of one shape, outliers cut off.

    Attributes
    ----------
    vectors : ndarray of float32, shape (n, k)
        Centred, of length one; zero for constant tensors and those that cannot be read.
    means, lengths : ndarray of float64, shape (n,)
        What centring took away, NaN where nothing can be read, and the length before scaling, zero for a constant.
    """

    vectors: Floats32
    means: Floats
    lengths: Floats

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
        vectors = np.zeros((len(parts), size), dtype=np.float32)
        means, lengths = np.full(len(parts), np.nan), np.zeros(len(parts))
        for i, part in enumerate(parts):
            values = _read(part, checkpoint, places) if size else None
            if values is None:
                continue
            values = _without_outliers(values)
            means[i] = values.mean()
            values -= means[i]
            lengths[i] = 0.0 if (values == values[0]).all() else np.linalg.norm(values)
            if lengths[i]:
                vectors[i] = values / lengths[i]
        return cls(vectors=vectors, means=means, lengths=lengths)

    @property
    def constants(self) -> tuple[float | None, ...]:
        """The value of each tensor that is constant where it was read, in the precision of bfloat16; else None."""
        rounded = self.means.astype(ml_dtypes.bfloat16).astype(np.float64)
        constant = (self.lengths == 0) & np.isfinite(self.means)
        return tuple(float(value) if known else None for value, known in zip(rounded, constant, strict=True))

    def closeness(self, other: Sketches, rows: Sequence[int], columns: Sequence[int]) -> Floats:
        """How close some tensors are to some of the other side's: 2 x.y / (x.x + y.y), 1 for equal ones.

        Parameters
        ----------
        other : Sketches
            Of the same shape.
        rows, columns : sequence of int
            Which tensors of this and of the other side.

        Returns
        -------
        ndarray of float64, shape (rows, columns)
        """
        i, j = np.asarray(rows, dtype=np.int64), np.asarray(columns, dtype=np.int64)
        mean, level = np.nan_to_num(self.means[i])[:, None], np.nan_to_num(other.means[j])[None, :]
        length, height = self.lengths[i][:, None], other.lengths[j][None, :]
        count = self.vectors.shape[1]
        cosine = self.vectors[i].astype(np.float64) @ other.vectors[j].astype(np.float64).T
        product = 2.0 * (count * mean * level + length * height * cosine)
        total = count * (mean**2 + level**2) + length**2 + height**2
        return np.asarray(np.divide(product, total, out=np.zeros_like(product), where=total > 0))


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


def _read(part: Part, checkpoint: Checkpoint, places: tuple[Ints, ...]) -> Floats | None:
    try:
        values = widened(checkpoint.take(part.name, places[0]))
    except CheckpointError:
        return None
    flat = (values if len(places) == 1 else values[:, places[1]]).astype(np.float64).ravel()
    return flat if np.isfinite(flat).all() else None


def _without_outliers(values: Floats) -> Floats:
    middle = float(np.median(values))
    deviation = float(np.median(np.abs(values - middle)))
    return np.clip(values, middle - OUTLIER * deviation, middle + OUTLIER * deviation) if deviation > 0 else values
