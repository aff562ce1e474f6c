"""The values that a decomposition looks at: the same places of one tensor in the model and in all parents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprints.checkpoint import Checkpoint
from fingerprints.kernels.least_squares import cross_products
from fingerprints.kernels.rounding import narrowest, rounded_to
from fingerprints.sampling import units
from fingerprints.values import count_equal, widened
from provenance.decomposition.lineup import Standing
from provenance.decomposition.noise import noise_of, own_noise

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]

BLOCKS = 8
"""Parts of a tensor whose weights are estimated apart, to see how much they scatter."""
KEPT = 1 << 21
"""Elements kept in memory for what is not linear, over all tensors."""
FEWEST_KEPT = 4096
CHUNK = 1 << 22
"""Elements of one tensor in memory at a time where everything is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What was read of one tensor.

    Attributes
    ----------
    standing : Standing
        The tensor and its counterparts.
    columns : ndarray of float32, shape (2 + k, n)
        Elements kept: the model's, the origin's, and each parent's. The origin is the base, or the first parent.
    blocks : ndarray of int64, shape (n,)
        The block that each kept element is in, ascending.
    products : ndarray of float64, shape (blocks, 2 + k, 2 + k)
        Inner products, over all that was read, of the origin, of the model's difference from it, and of each parent's.
    squares : float
        Energy of the model's values over all that was read.
    count : int
        Elements read that are finite everywhere.
    compared : int
        Elements read.
    equal : ndarray of int64, shape (k + 1,)
        Elements of the model that equal each parent's, and the base's (0 without one), up to the types of the files.
    noise : float
        Variance that rounding leaves in an element of the model.
    parent_noise : ndarray of float64, shape (k + 1,)
        The same for each parent, and the base.
    dtype : str or None
        The type that the model's values were rounded to; None where they are packed.
    """

    standing: Standing
    columns: Floats32
    blocks: npt.NDArray[np.int64]
    products: Floats
    squares: float
    count: int
    compared: int
    equal: npt.NDArray[np.int64]
    noise: float
    parent_noise: Floats
    dtype: str | None

    @property
    def total(self) -> Floats:
        """Inner products over all blocks, shape (2 + k, 2 + k)."""
        return np.asarray(self.products.sum(axis=0))

    def changes(self) -> Floats:
        """Of the kept elements the origin, and the others' differences from it; see `changes`."""
        return changes(self.columns)

    def predicted(self, coefficients: Floats) -> Floats:
        """The kept elements as coefficients of the origin and of the differences make them, shape (n,)."""
        seen = self.changes()
        return np.asarray(seen[0] * (1 + coefficients[0]) + coefficients[1:] @ seen[2:])

    def rounded(self, values: Floats) -> Floats:
        """Values as the model's type stores them; unchanged where it is packed."""
        return values if self.dtype is None else rounded_to(values, self.dtype)


def of_parents(sample: Sample, kept: Sequence[int]) -> Sample:
    """The same sample with some of the parents only; the origin stays what it was."""
    places = [0, 1, *(2 + parent for parent in kept)]
    others = [*kept, len(sample.equal) - 1]
    return replace(
        sample,
        columns=sample.columns[places],
        products=sample.products[:, places][:, :, places],
        equal=sample.equal[others],
        parent_noise=sample.parent_noise[others],
    )


def changes(columns: Floats32) -> Floats:
    """The origin, and the other columns less the origin: shape (2 + k, n), exact in float64."""
    wide = columns.astype(np.float64)
    origin = wide[1].copy()
    wide -= origin
    return np.stack([origin, wide[0], *wide[2:]])


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSettings:
    """How much is read: rows of each matrix (None for all), and which."""

    rows: int | None
    seed: int = 0


def read_sample(
    standing: Standing,
    model: Checkpoint,
    others: Sequence[Checkpoint],
    *,
    based: bool,
    settings: SampleSettings,
    keep: int,
) -> Sample | None:
    """Read one tensor everywhere.

    Parameters
    ----------
    standing : Standing
    model, others
        The checkpoints; the base is the last of the others when `based`.
    based : bool
    settings : SampleSettings
    keep : int
        Elements to keep at most.

    Returns
    -------
    Sample or None
        None where no element is finite everywhere.

    Raises
    ------
    UnreadableTensor, CorruptCheckpoint
        As the readers do.
    """
    parents = len(others) - based
    size = 2 + parents
    products = np.zeros((BLOCKS, size, size))
    kept: list[tuple[Floats32, npt.NDArray[np.int64]]] = []
    equal = np.zeros(parents + 1, dtype=np.int64)
    squares, count, compared = 0.0, 0, 0
    step = max(1, -(-_readable(standing, settings) // keep))
    for raw in _chunks(standing, model, others, settings):
        wide = [widened(each).reshape(-1) for each in raw]
        places = [0, len(others) if based else 1, *range(1, parents + 1)]
        columns = np.stack([wide[place] for place in places])
        finite = np.isfinite(columns).all(axis=0)
        for place, part in enumerate(standing.others):
            where = parents if based and place == parents else place
            equal[where] += count_equal(raw[0], raw[place + 1], standing.part.info.dtype, part.info.dtype)[0]
        if not finite.all():
            columns = columns[:, finite]
        blocks = np.arange(columns.shape[1], dtype=np.int64) * BLOCKS // max(columns.shape[1], 1)
        products += cross_products(changes(columns), blocks, BLOCKS)
        squares += float(np.square(columns[0].astype(np.float64)).sum())
        count += columns.shape[1]
        compared += raw[0].size
        kept.append((columns[:, ::step], blocks[::step]))
    if not count:
        return None
    held = np.concatenate([each[0] for each in kept], axis=1)
    blocks = np.concatenate([each[1] for each in kept])
    order = np.argsort(blocks, kind="stable")
    held, blocks = held[:, order], blocks[order]
    encoding = standing.part.info.encoding
    dtype = None if encoding is not None else narrowest(held[0])
    return Sample(
        standing=standing,
        columns=held,
        blocks=blocks,
        products=products,
        squares=squares,
        count=count,
        compared=compared,
        equal=equal,
        noise=noise_of(np.abs(held).max(axis=0), dtype, standing.part.info.encoding),
        parent_noise=np.array(
            [
                *(own_noise(held[2 + place], standing.others[place]) for place in range(parents)),
                own_noise(held[1], standing.others[-1]) if based else 0.0,
            ]
        ),
        dtype=dtype,
    )


def shares(standings: Sequence[Standing], settings: SampleSettings) -> list[int]:
    """How many elements of each tensor to keep: by size, and some of the smallest."""
    sizes = [_readable(standing, settings) for standing in standings]
    total = max(sum(sizes), 1)
    return [max(FEWEST_KEPT, KEPT * size // total) for size in sizes]


def _readable(standing: Standing, settings: SampleSettings) -> int:
    part = standing.part
    row = part.info.size // max(part.shape[0] if part.shape else 1, 1)
    rows = standing.rows if settings.rows is None or len(part.shape) < 2 else min(standing.rows, settings.rows)
    return max(rows * row, 1)


def _chunks(
    standing: Standing, model: Checkpoint, others: Sequence[Checkpoint], settings: SampleSettings
) -> Iterator[list[npt.NDArray[Any]]]:
    """Rows of the model and the others, side by side, few enough for memory at a time."""
    part = standing.part
    if settings.rows is None or len(part.shape) < 2:
        rows = np.arange(standing.rows, dtype=np.int64)
    else:
        rows = units(standing.rows, settings.rows, seed=settings.seed)
    row = max(part.info.size // max(part.shape[0] if part.shape else 1, 1), 1)
    step = max(1, CHUNK // row)
    sides = [(model, part), *zip(others, standing.others, strict=True)]
    for start in range(0, len(rows), step):
        yield [checkpoint.take(each.name, rows[start : start + step]) for checkpoint, each in sides]
