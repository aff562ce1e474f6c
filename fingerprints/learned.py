"""Which tensors were learned: constants, tables and grids are the same in every model, and evidence of nothing."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MOST_VALUES = 4096
FEW_DISTINCT = 64
FEW_DISTINCT_IN_VECTOR = 8
"""Gains near 1 in bfloat16 are a few dozen distinct values, and learned."""
HANDFULS = 4
"""Times as many values as may be few, by which it is first tried to see that they are not."""
SPREAD_ROWS = 16
FEW_PAIRS = 64
FEW_BINS = 4
CONCENTRATED = 0.995
MOST_ROWS = 256
MOST_COLUMNS = 1024
WAVES = 64
FIRST_LOOK = 8
LONGEST_WAVE = 4096
ROUND = 0.01
LOOSE = 0.3
MOST_CODES = 1 << 16
PATTERN = 0.8
SMALLEST_STREAM = 64


def why_not_learned(values: npt.NDArray[Any]) -> str | None:
    """The reason why a tensor cannot have been learned, or None when it can.

    A tensor is set aside when it is constant; has at most 64 distinct values (8 in a vector) in a regular pattern
    (masks and index tables; in weights quantised to few values, their places are as good as random); is an arithmetic
    or geometric progression; when its rows or columns are each a few frequencies (short-time Fourier bases); when pairs
    of its columns lie on one circle (sinusoidal positions); or when its rows are non-negative single bumps (mel filter
    banks).

    Parameters
    ----------
    values : ndarray, shape (n,) or (m, ...)
        A sample of the tensor, as float: whole rows.
    """
    sample = _thinned(values)
    if sample.size == 0:
        return "it is empty"
    reason = _few_values(sample)
    if reason is not None:
        return reason
    if sample.ndim == 1:
        return "it is a progression" if _is_progression(sample) else None
    if len(sample) <= 2 and _is_progression(sample[0].astype(np.float64)):
        return "it is a progression"
    if _is_table_of_waves(_as_matrix(values)[:WAVES, :LONGEST_WAVE], sample):
        return "it is a table of waves"
    if _single_bumps(sample):
        return "it is a filter bank"
    return None


def _few_values(sample: npt.NDArray[Any]) -> str | None:
    """Why so few distinct values were not learned, if they were not; a handful of values shows that there are more."""
    limit = FEW_DISTINCT if sample.ndim > 1 else FEW_DISTINCT_IN_VECTOR
    handful = _spread(sample, HANDFULS * limit)
    if np.isfinite(handful).all() and len(np.unique(handful)) > limit:
        return None
    flat = sample.ravel().astype(np.float64)
    flat = flat[np.isfinite(flat)]
    if flat.size == 0:
        return "it holds no finite value"
    if flat.min() == flat.max():
        return "its values are all zero" if flat[0] == 0 else "its values are all the same"
    few = flat[:: max(1, flat.size // MOST_VALUES)][:MOST_VALUES]
    distinct = len(np.unique(few))
    if distinct <= limit and distinct * 2 <= few.size and _has_pattern(flat):
        return f"it has only {distinct} distinct values"
    return None


def _spread(sample: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
    """About `count` values from all over a vector or matrix."""
    if sample.ndim == 1:
        return sample[:: max(1, len(sample) // count)][:count]
    rows = sample[:: max(1, len(sample) // SPREAD_ROWS)][:SPREAD_ROWS]
    return rows[:, : count // len(rows)].ravel()


def _has_pattern(values: Floats) -> bool:
    """Whether few distinct values stand in an order that a general compressor finds: well below their entropy."""
    _, codes, counts = np.unique(values[:MOST_CODES], return_inverse=True, return_counts=True)
    shares = counts / counts.sum()
    entropy = -float(np.sum(shares * np.log2(shares))) * len(codes) / 8.0
    return len(zlib.compress(codes.astype(np.uint8).tobytes(), 9)) < PATTERN * entropy + SMALLEST_STREAM


def _thinned(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """At most 256 rows of 1024 values, or a whole vector as float64."""
    array = np.asarray(values)
    return array.astype(np.float64) if array.ndim < 2 else _as_matrix(array)[:MOST_ROWS, :MOST_COLUMNS]


def _as_matrix(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Rows of a tensor, leading axes of length one dropped."""
    while array.ndim > 2 and len(array) == 1:
        array = array[0]
    return array.reshape(len(array), -1) if array.size else np.zeros((0, 0))


def _is_progression(values: Floats) -> bool:
    """Whether a vector of at least 4 values is an arithmetic or a geometric progression."""
    if len(values) < 4 or not np.isfinite(values).all():
        return False
    steps = np.diff(values)
    if np.allclose(steps, steps.mean(), rtol=0, atol=1e-3 * abs(steps.mean()) + 1e-12) and steps.mean() != 0:
        return True
    if (values <= 0).any():
        return False
    ratios = np.diff(np.log(values))
    return bool(ratios.mean() != 0 and np.allclose(ratios, ratios.mean(), rtol=0, atol=1e-2 * abs(ratios.mean())))


def _is_table_of_waves(long_rows: npt.NDArray[Any], matrix: npt.NDArray[Any]) -> bool:
    """Whether rows, columns or pairs of columns are waves; a few of them are looked at first."""
    for step in (FIRST_LOOK, 1):
        rows = long_rows[::step].astype(np.float64)
        columns = (matrix[:, : WAVES * step : step].T if len(matrix) >= 32 else matrix[:0]).astype(np.float64)
        if not (_few_frequencies(rows) or _few_frequencies(columns) or _on_circles(rows) or _on_any_circles(rows)):
            return False
    return True


def starts_as_waves(table: npt.NDArray[Any]) -> bool:
    """Whether a table of positions looks like sines and cosines that were trained on: its columns are then ordered.

    Parameters
    ----------
    table : ndarray, shape (positions, ...)
        A sample of the table.
    """
    rows = _as_matrix(table)[:MOST_ROWS, :MOST_COLUMNS].astype(np.float64)
    return _share_on_circles(rows, LOOSE) >= 0.8


def _on_any_circles(rows: Floats) -> bool:
    """Whether columns come in pairs on one circle, wherever the partners are; for values as even as sines alone."""
    size = np.abs(rows)
    if len(rows) < FIRST_LOOK or not np.isfinite(rows).all() or np.mean(size > 0.7 * size.max(initial=0.0)) < 0.25:
        return False
    return _share_on_circles(rows[:, :MOST_COLUMNS], ROUND) >= 0.9


def _share_on_circles(rows: Floats, tolerance: float) -> float:
    """Share of the columns with a partner such that the sum of both squares hardly varies, rows scaled alike."""
    norms = np.sqrt((rows * rows).sum(axis=1))
    rows = rows[np.isfinite(norms) & (norms > 0)]
    if len(rows) < FIRST_LOOK or rows.shape[1] < 8:
        return 0.0
    squares = (rows / np.sqrt((rows * rows).sum(axis=1, keepdims=True))) ** 2 * rows.shape[1]
    means = squares.mean(axis=0)
    centred = squares - means
    variances = (centred * centred).mean(axis=0)
    together = variances[:, None] + variances[None, :] + 2.0 * (centred.T @ centred) / len(rows)
    np.fill_diagonal(together, np.inf)
    spread = np.sqrt(np.maximum(together, 0.0)) / np.maximum(means[:, None] + means[None, :], 1e-12)
    return float(np.mean(spread.min(axis=1) <= tolerance))


def _few_frequencies(rows: Floats) -> bool:
    """Whether nine rows in ten put 99.5 % of their variance into at most 4 neighbouring Fourier bins."""
    if rows.shape[1] < 32 or not np.isfinite(rows).all():
        return False
    power = np.abs(np.fft.rfft(rows - rows.mean(axis=1, keepdims=True), axis=1)) ** 2
    total = power.sum(axis=1)
    varied = total > 0
    if varied.sum() < max(4, len(rows) // 2):
        return False
    top = np.partition(power[varied], -FEW_BINS, axis=1)[:, -FEW_BINS:].sum(axis=1) / total[varied]
    return bool(np.mean(top >= CONCENTRATED) >= 0.9)


def _on_circles(rows: Floats) -> bool:
    """Whether columns come in pairs, sine and cosine of one angle: adjacent, half a row, or a quarter of a row apart.

    Holds for any choice of rows, so that a sample need not be contiguous.
    """
    size = rows.shape[1] // 4 * 4
    if size < 8 or not np.isfinite(rows).all():
        return False
    rows = rows[(rows != 0).any(axis=1)][:, :size]
    if len(rows) < 4:
        return False
    for split in ((size // 2, 2, 1), (1, 2, size // 2), (2, 2, size // 4)):
        paired = rows.reshape(len(rows), *split)
        groups, members = (max(1, paired.shape[axis] // FEW_PAIRS) for axis in (1, 3))
        few = paired[:4, ::groups, :, ::members]
        if all(_of_one_radius(some) for some in (few, paired[:4], paired)):
            return True
    return False


def _of_one_radius(pairs: Floats) -> bool:
    radius = np.sqrt((pairs * pairs).sum(axis=2))
    middle = float(np.median(radius))
    return middle > 0 and bool(np.mean(np.abs(radius - middle) <= ROUND * middle) >= 0.9)


def _single_bumps(rows: npt.NDArray[Any]) -> bool:
    """Whether rows are non-negative, mostly zero, and each non-zero on one stretch only."""
    if rows.shape[1] < 16 or len(rows) < 4 or (rows < 0).any() or np.mean(rows == 0) < 0.5:
        return False
    inside = np.concatenate([np.zeros((len(rows), 1)), rows > 0, np.zeros((len(rows), 1))], axis=1)
    starts = (np.diff(inside, axis=1) > 0).sum(axis=1)
    return bool(np.mean(starts <= 1) >= 0.95)
