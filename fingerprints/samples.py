"""The values of one pair of tensors that are looked at: the same positions on both sides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprints.anatomy import Part
from fingerprints.axes import AxisPlan, TestAxis
from fingerprints.checkpoint import Checkpoint
from fingerprints.pairing import Pair
from fingerprints.sampling import Half, Ints, in_half, units
from fingerprints.values import widened

Array = npt.NDArray[Any]
Floats32 = npt.NDArray[np.float32]

MOST_FEATURES = 4096
FEW_DIAGONAL = 8
MOST_DIAGONAL = 64
DIAGONAL_ALARM = 6.0
FEW_ROWS = 32
"""So few rows are all read; only those of the right half are tested."""
LONGEST_VECTOR = 1 << 18


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSettings:
    """How much is looked at: `rows` units an axis, moved by `seed`, from one `half` after a search."""

    rows: int = 256
    seed: int = 0
    half: Half = Half.ALL


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSample:
    """Rows of two counterparts at equal positions.

    Attributes
    ----------
    pair : Pair
        The two tensors.
    plan : AxisPlan
        What can be tested on them.
    rows : ndarray of int64
        Units of axis 0 that were read.
    raw_a, raw_b : ndarray
        What was read, in the stored dtype, shape (gates * rows, ...).
    a, b : ndarray of float32
        The same, widened; shape (gates, rows, columns, rest).
    """

    pair: Pair
    plan: AxisPlan
    rows: Ints
    raw_a: Array
    raw_b: Array
    a: Floats32
    b: Floats32
    diagonal: bool = False
    """Entries of equal indices stand out on some side: the two axes are then kept apart."""


def take_units(checkpoint: Checkpoint, part: Part, rows: Ints, gates: int) -> tuple[Array, Floats32]:
    """Stored and widened rows of one tensor: all gates of each unit; shapes (gates * rows, ...) and
    (gates, rows, columns, rest).
    """
    length = part.shape[0] // gates
    wanted = np.concatenate([gate * length + rows for gate in range(gates)])
    raw = checkpoint.take(part.name, wanted)
    columns = part.shape[1] if len(part.shape) > 1 else 1
    rest = int(np.prod(part.shape[2:], dtype=np.int64)) * (2 if raw.dtype.kind == "c" else 1)
    return raw, widened(raw).reshape(gates, len(rows), columns, rest)


def read_sample(pair: Pair, plan: AxisPlan, a: Checkpoint, b: Checkpoint, settings: SampleSettings) -> PairSample:
    """Read the sampled rows of both sides.

    Raises
    ------
    UnreadableTensor, CorruptCheckpoint
        As the readers do.
    """
    gates = next((test.gates for test in plan.tests if test.axis == 0), 1)
    length = min(pair.a.shape[0], pair.b.shape[0]) // gates
    half = settings.half if length > FEW_ROWS else Half.ALL
    rows = units(length, settings.rows, seed=settings.seed, half=half)
    raw_a, wide_a = take_units(a, pair.a, rows, gates)
    raw_b, wide_b = take_units(b, pair.b, rows, gates)
    diagonal = bool(plan.tests) and (has_diagonal(wide_a, rows) or has_diagonal(wide_b, rows))
    return PairSample(pair=pair, plan=plan, rows=rows, raw_a=raw_a, raw_b=raw_b, a=wide_a, b=wide_b, diagonal=diagonal)


def read_vectors(pair: Pair, a: Checkpoint, b: Checkpoint) -> tuple[Array, Array]:
    """Both vectors of a pair of one-dimensional tensors, as far as both reach."""
    length = min(pair.a.shape[0], pair.b.shape[0], LONGEST_VECTOR)
    return a.rows(pair.a.name, 0, length), b.rows(pair.b.name, 0, length)


Scale = Callable[[Part], Floats32 | None]


def axis_features(
    sample: PairSample, test: TestAxis, settings: SampleSettings, fold: tuple[Scale, Scale] | None = None
) -> tuple[Ints, Floats32, Floats32]:
    """Features of the units of one axis, for both sides.

    Parameters
    ----------
    sample : PairSample
        What was read.
    test : TestAxis
        The axis whose index is tested.
    settings : SampleSettings
        Positions along axis 1.
    fold : pair of callables, optional
        The norm gain of each side to multiply into the other axis, by part.

    Returns
    -------
    positions : ndarray of int64, shape (m,)
        Indices of the units.
    x, y : ndarray of float32, shape (m, k)
        One row of features a unit.
    """
    a, b = sample.a, sample.b
    columns = min(a.shape[2], b.shape[2])
    if test.axis == 0:
        positions = _tested(sample.rows[in_half(sample.rows, settings.half)], test.split or sample.diagonal)
        inner = _faced(np.arange(columns), test.faces_rest or sample.diagonal)
        place = np.searchsorted(sample.rows, positions)
        step = max(1, len(inner) // MOST_FEATURES)
        inner = inner[: step * MOST_FEATURES : step] if step > 1 else inner
        x, y = (_picked(side, place, inner) for side in (a, b))
        x, y = (np.moveaxis(_folded(side, gain, inner, 2), 0, 1) for side, gain in _with_gains(sample, fold, x, y))
    else:
        chosen = units(columns, settings.rows, seed=settings.seed, half=settings.half)
        positions = _tested(chosen, test.split or sample.diagonal)
        inner = _faced(sample.rows, test.faces_rest or sample.diagonal)
        place = np.searchsorted(sample.rows, inner)
        x, y = (_picked(side, place, positions) for side in (a, b))
        x, y = (np.moveaxis(_folded(side, gain, inner, 1), 2, 0) for side, gain in _with_gains(sample, fold, x, y))
    return (
        positions,
        np.ascontiguousarray(x.reshape(len(positions), -1)),
        np.ascontiguousarray(y.reshape(len(positions), -1)),
    )


def _picked(values: Floats32, rows: Ints, columns: Ints) -> Floats32:
    """Values at rows and columns; a view where all rows or leading columns are wanted."""
    if len(rows) < values.shape[1]:
        values = values[:, rows]
    if len(columns) and columns[-1] == len(columns) - 1:
        return values[:, :, : len(columns)]
    return values[:, :, columns]


def _tested(positions: Ints, split: bool) -> Ints:
    """The units to test: every other run of 4 where some tensor of the group may map the units to themselves."""
    return positions[(positions // 4) % 2 == 0] if split else positions


def _faced(positions: Ints, split: bool) -> Ints:
    """The positions that features are taken from: the other runs, where they may be the same units."""
    return positions[(positions // 4) % 2 == 1] if split else positions


def has_diagonal(values: Floats32, rows: Ints) -> bool:
    """Whether entries whose two indices are equal stand out, as an identity or dirac initialisation leaves them.

    Parameters
    ----------
    values : ndarray of float32, shape (gates, rows, columns, rest)
        One side of a sample.
    rows : ndarray of int64
        Indices of the rows.
    """
    square = np.flatnonzero(rows < values.shape[2])[:MOST_DIAGONAL]
    if len(square) < FEW_DIAGONAL:
        return False
    sizes = np.abs(values[:, square]).max(axis=3)
    sizes = np.where(np.isfinite(sizes), sizes, 0.0)
    diagonal = sizes[:, np.arange(len(square)), rows[square]]
    spread = float(sizes.std()) / np.sqrt(diagonal.size)
    return bool(spread > 0 and float(diagonal.mean() - sizes.mean()) > DIAGONAL_ALARM * spread)


def _with_gains(
    sample: PairSample, fold: tuple[Scale, Scale] | None, x: Floats32, y: Floats32
) -> tuple[tuple[Floats32, Floats32 | None], tuple[Floats32, Floats32 | None]]:
    """Each side with its gain; with neither where one is not known."""
    gains = (fold[0](sample.pair.a), fold[1](sample.pair.b)) if fold else (None, None)
    return ((x, None), (y, None)) if gains[0] is None or gains[1] is None else ((x, gains[0]), (y, gains[1]))


def _folded(values: Floats32, gain: Floats32 | None, positions: Ints, axis: int) -> Floats32:
    """Values multiplied by the gain of each position along an axis."""
    if gain is None:
        return values
    shape = [1] * values.ndim
    shape[axis] = len(positions)
    return values * gain[positions].reshape(shape)
