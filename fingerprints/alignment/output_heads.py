"""Rows of queries, keys and values that follow from which columns of the attention's output are which.

Heads move as blocks in all four matrices, so that a match of the output's columns, which few rows of it give, is a
match of the others' rows as well: by itself where there are as many, else by groups of heads. Sampled rows say whether
it is true.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fingerprints.alignment.axis_map import AxisMap
from fingerprints.alignment.unit_features import scaled_rows, unit_features
from fingerprints.checkpoint import Checkpoint
from fingerprints.kernels.matching import chance_level
from fingerprints.pairing import Pair
from fingerprints.sampling import Ints, units

ROWS = 128
LENGTHS = (256, 128, 96, 80, 64, 48, 32, 24, 16, 8)
"""Lengths of a head, longest first."""


def follow_output(
    pair: Pair, output: AxisMap, dims: tuple[Ints, Ints], checkpoints: tuple[Checkpoint, Checkpoint]
) -> AxisMap | None:
    """The rows of queries, keys or values that the output's columns stand for.

    Parameters
    ----------
    pair : Pair
        Counterparts whose rows are head dimensions.
    output : AxisMap
        Columns of the attention's output.
    dims : pair of ndarray of int64
        Residual dimensions of A and their counterparts in B that a search may see.
    checkpoints : pair of Checkpoint
        Where the sampled rows are read.

    Returns
    -------
    AxisMap or None
        None where the output's columns do not move as heads do, or the rows do not follow them.
    """
    found = _as_rows(output, pair.a.shape[0], pair.b.shape[0])
    if found is None:
        return None
    few = units(len(found.a), ROWS)
    x, y = (
        unit_features(part, 0, inner, checkpoint, units=rows[few])
        for part, inner, checkpoint, rows in zip((pair.a, pair.b), dims, checkpoints, (found.a, found.b), strict=True)
    )
    if x is None or y is None:
        return None
    c = scaled_rows(x) @ scaled_rows(y).T
    followed = replace(found, effect=float(np.median(np.diag(c))), noise=chance_level(c))
    return followed if followed.credible else None


def _as_rows(output: AxisMap, rows_a: int, rows_b: int) -> AxisMap | None:
    """The output's map where there are as many rows; else that of the groups which its heads belong to."""
    if (rows_a, rows_b) == (output.units_a, output.units_b):
        return replace(output, spare=None)
    if output.units_a % rows_a or output.units_a // rows_a * rows_b != output.units_b:
        return None
    share = output.units_a // rows_a
    for size in LENGTHS:
        if rows_a % size or rows_b % size or not _moves_blocks(output, size):
            continue
        groups = {
            (int(a) // size // share, int(b) // size // share)
            for a, b in zip(output.a[::size], output.b[::size], strict=True)
        }
        if len({a for a, _ in groups}) == len(groups) == len({b for _, b in groups}):
            pairs = np.array(sorted(groups), np.int64)
            within = np.arange(size, dtype=np.int64)
            a, b = ((pairs[:, [side]] * size + within).ravel() for side in (0, 1))
            return AxisMap(a=a, b=b, units_a=rows_a, units_b=rows_b)
    return None


def _moves_blocks(output: AxisMap, size: int) -> bool:
    """Whether blocks of `size` columns are matched whole, in the order that they have."""
    if len(output.a) % size:
        return False
    within = np.arange(size, dtype=np.int64)
    return all(
        bool((blocks[:, 0] % size == 0).all() and (blocks == blocks[:, [0]] + within).all())
        for blocks in (output.a.reshape(-1, size), output.b.reshape(-1, size))
    )
