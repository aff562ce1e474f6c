"""Do values lie on the grid of a quantiser: few distinct levels in every group that shares a scale?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats32 = npt.NDArray[np.float32]

GROUPS = (32, 64, 128, 256, 16)
"""Lengths of groups that quantisers use."""
NF4 = np.array(
    [
        -1.0,
        -0.6961928009986877,
        -0.5250730514526367,
        -0.39491748809814453,
        -0.28444138169288635,
        -0.18477343022823334,
        -0.09105003625154495,
        0.0,
        0.07958029955625534,
        0.16093020141124725,
        0.24611230194568634,
        0.33791524171829224,
        0.44070982933044434,
        0.5626170039176941,
        0.7229568362236023,
        1.0,
    ]
)
"""Levels of 4-bit NormalFloat (T. Dettmers et al., arXiv 2305.14314, appendix E)."""
SMALL_CODES = 24
"""Only codes up to this size are looked at: rounding the products to few digits blurs larger ones."""
BLUR = 2.0**-8
"""Relative error of products of codes and scales that were stored in bfloat16."""
FIRST = 32
"""Rows that are looked at first: where they lie on no grid, nothing does."""
MOST_GROUPS = 256
MOST_LEVELS = 64
"""Values of a group that stand for its levels."""
ON_GRID = 0.05
"""Mean distance from the nearest code, in steps, of values on a grid; others lie .25 away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A quantiser's grid: bits of a code, values that share a scale (None: a row, or the whole tensor), and what the
    levels are (`integer`, `nf4`).
    """

    bits: int
    group_size: int | None
    scheme: str


def find_grid(values: Floats32) -> Grid | None:
    """The coarsest grid that holds all sampled values.

    Parameters
    ----------
    values : ndarray of float32, shape (m, n)
        Whole rows, inputs along axis 1.

    Returns
    -------
    Grid or None
    """
    if values.shape[0] < 4 or values.shape[1] < 16 or not np.isfinite(values).all():
        return None
    if len(values) > FIRST and _coarsest(values[:FIRST]) is None:
        return None
    return _coarsest(values)


def _coarsest(values: Floats32) -> Grid | None:
    """The fewest bits, then the longest groups: two groups of eight levels side by side have sixteen."""
    best: Grid | None = None
    for group in (None, *sorted(GROUPS, reverse=True)):
        grouped = values if group is None else values.reshape(-1, group) if values.size % group == 0 else None
        if grouped is None or grouped.shape[1] < 16:
            continue
        found = _few_levels(grouped, group)
        if found is not None and (best is None or found.bits < best.bits):
            best = found
    return best or _eight_bits(values)


def _few_levels(grouped: Floats32, group: int | None) -> Grid | None:
    """Up to 4 bits: so few distinct values that a group of that length must repeat them."""
    ordered = np.sort(grouped, axis=1)
    levels = 1 + (np.diff(ordered, axis=1) > 0).sum(axis=1)
    most = int(np.sort(levels)[int(0.99 * (len(levels) - 1))])
    bits = next((bits for bits in (2, 3, 4) if most <= 2**bits), None)
    if bits is None or grouped.shape[1] < 1.5 * most or np.median(levels) < 3:
        return None
    return Grid(bits=bits, group_size=group, scheme="nf4" if bits == 4 and _is_nf4(grouped) else "integer")


def _is_nf4(grouped: Floats32) -> bool:
    """Whether the values of each group, over the largest, are those of NormalFloat."""
    grouped = grouped[:: max(1, len(grouped) // MOST_LEVELS), :1024]
    peak = np.abs(grouped).max(axis=1, keepdims=True)
    scaled = grouped[peak[:, 0] > 0] / peak[peak[:, 0] > 0]
    away = np.abs(scaled[:, :, None] - NF4).min(axis=2)
    return bool(np.mean(away) < 0.004)


def _eight_bits(values: Floats32) -> Grid | None:
    """Symmetric 8 bits: multiples of the largest magnitude over 127, in groups, rows, or the whole tensor."""
    for group in (0, None, *sorted(GROUPS, reverse=True)):
        if group == 0:
            grouped = values.reshape(1, -1)
        elif group is None:
            grouped = values
        elif values.size % group == 0:
            grouped = values.reshape(-1, group)
        else:
            continue
        for largest in (127.0, 128.0):
            peak = np.abs(grouped).max(axis=1, keepdims=True)
            codes = np.divide(grouped * largest, peak, out=np.zeros_like(grouped), where=peak > 0)
            seen = (np.abs(codes) > 0.5) & (np.abs(codes) < SMALL_CODES)
            if seen.sum() < 64:
                continue
            away = np.abs(codes - np.round(codes))[seen]
            if float(away.mean()) < ON_GRID:
                return Grid(bits=8, group_size=group or None, scheme="integer")
    return None


def nearest_share(x: Floats32, y: Floats32, grid: Grid) -> float:
    """Share of the values y on a grid that are the level next to x.

    Nearly all of them after plain rounding, fewer where errors were passed on (GPTQ) or channels scaled (AWQ).

    Parameters
    ----------
    x, y : ndarray of float32, shape (m, n)
        Values before, and on the grid.
    grid : Grid
        That of y.
    """
    group = grid.group_size or y.shape[1]
    if y.size % group:
        return 0.0
    before, after = x.reshape(-1, group), y.reshape(-1, group)
    step = max(1, len(after) // MOST_GROUPS)
    before, after = before[::step], after[::step]
    if grid.bits == 8:
        peak = np.abs(after).max(axis=1, keepdims=True)
        scale = np.divide(127.0, peak, out=np.zeros_like(peak), where=peak > 0)
        codes = np.round(after * scale)
        return float(np.mean(np.abs(before * scale - codes) <= 0.5 + BLUR * np.abs(codes)))
    columns = slice(None, None, max(1, group // MOST_LEVELS))
    known = after[:, columns]
    near = np.abs(before[:, columns, None] - known[:, None, :]).argmin(axis=2)
    return float(np.mean(np.take_along_axis(known, near, axis=1) == known))
