"""Gains and biases on a residual stream whose basis is known, matched without names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fingerprints.alignment.axis_map import Floats32
from fingerprints.anatomy import Part, PartKind
from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CheckpointError
from fingerprints.kernels.bases import as_permutation
from fingerprints.values import widened

ALIKE = 0.3
"""Cosine below which two vectors are no counterparts."""
SAME_FOR_ALL = 0.05
"""Relative spread of a gain that was folded into what follows it."""


def match_vectors(
    named: Sequence[Part],
    others: Sequence[Part],
    checkpoints: tuple[Checkpoint, Checkpoint],
    matrix: Floats32,
    layers: Mapping[int, int] | None,
) -> list[tuple[Part, Part]]:
    """Counterparts among vectors on the residual stream.

    A gain that is the same for all dimensions, or a bias of zeros, stands for any gain or bias of a norm: a rotation
    needs norms without either.

    Parameters
    ----------
    named : sequence of Part
        Vectors of known roles.
    others : sequence of Part
        Vectors of as many entries whose roles are not known.
    checkpoints : pair
        Where they are read.
    matrix : ndarray of float32, shape (d, d)
        `x_other = x_named @ matrix`.
    layers : mapping, optional
        The named side's layer for each number in names of the other, where these number layers.
    """
    from scipy.optimize import linear_sum_assignment  # deferred: its import costs a third of a second

    x, y = ([_values(part, side) for part in parts] for parts, side in zip((named, others), checkpoints, strict=True))
    table = np.zeros((len(named), len(others)))
    for i, part in enumerate(named):
        turned = None if x[i] is None else _turned(x[i], part, matrix)
        for j, other in enumerate(others):
            values = y[j]
            if values is None or not _in_place(part, other, layers):
                continue
            if _is_folded(part, values):
                table[i, j] = ALIKE
            elif turned is not None:
                table[i, j] = _cosine(turned, values)
    return [
        (named[i], others[j])
        for i, j in zip(*linear_sum_assignment(table, maximize=True), strict=True)
        if table[i, j] >= ALIKE
    ]


def _values(part: Part, checkpoint: Checkpoint) -> Floats32 | None:
    try:
        values = widened(checkpoint.rows(part.name, 0, part.shape[0])).astype(np.float32)
    except CheckpointError:
        return None
    return values if np.isfinite(values).all() else None


def _in_place(part: Part, other: Part, layers: Mapping[int, int] | None) -> bool:
    """Whether both are in one layer, or both outside of the layers."""
    if layers is None:
        return True
    return part.layer == (layers.get(other.index[0], -1) if other.index else None)


def _turned(values: Floats32 | None, part: Part, matrix: Floats32) -> Floats32 | None:
    """In the other side's basis; None for gains in a basis that is turned."""
    if values is None or part.kind is not PartKind.GAIN:
        return None if values is None else np.asarray(values @ matrix, dtype=np.float32)
    if (order := as_permutation(matrix)) is None:
        return None
    moved = np.empty_like(values)
    moved[order[0]] = values
    return moved


def _is_folded(part: Part, values: Floats32) -> bool:
    if part.role is None or "norm" not in part.role:
        return False
    if part.kind is PartKind.GAIN:
        return bool(np.ptp(values) <= SAME_FOR_ALL * max(abs(float(values.mean())), 1e-30))
    return not values.any()


def _cosine(x: Floats32, y: Floats32) -> float:
    x, y = x - x.mean(), y - y.mean()
    return float(x @ y) / max(float(np.linalg.norm(x) * np.linalg.norm(y)), 1e-30)
