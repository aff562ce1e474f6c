"""Which of several orders of rows makes the parts of a fused matrix most like the other side's: asked of the weights.

The search sees rows and columns of one half alone (`Half.SEARCH`); tests that follow a search use the other half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fingerprints.anatomy import Part
from fingerprints.assignment import CLEAR
from fingerprints.errors import CheckpointError
from fingerprints.kernels.partners import MARGIN
from fingerprints.layouts.layout_side import LayoutSide
from fingerprints.layouts.row_map import RowMap
from fingerprints.sampling import Half, units
from fingerprints.values import widened

ROWS = 16
COLUMNS = 1024

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One order: each fused matrix, the rows of it, and the other side's part that they would be."""

    name: str
    facing: tuple[tuple[Part, RowMap, Part], ...]


def settled(candidates: Sequence[Candidate], side: LayoutSide, other: LayoutSide) -> str | None:
    """The name of the order whose mean cosine is clearly the highest; None where none is, or nothing can be read."""
    scores: list[tuple[float, str]] = []
    for candidate in candidates:
        try:
            cosines = [_cosine(*facing, side, other) for facing in candidate.facing]
        except CheckpointError:
            return None
        if cosines:
            scores.append((float(np.mean(cosines)), candidate.name))
    if not scores:
        return None
    scores.sort(key=lambda item: (-item[0], item[1]))
    best, runner_up = scores[0][0], scores[1][0] if len(scores) > 1 else -1.0
    return scores[0][1] if best >= CLEAR and best - runner_up >= MARGIN else None


def _cosine(fused: Part, rows: RowMap, facing: Part, side: LayoutSide, other: LayoutSide) -> float:
    """Mean cosine of sampled rows with their counterparts."""
    places = units(min(rows.count, facing.shape[0]), ROWS, seed=side.seed, half=Half.SEARCH)
    columns = units(min(fused.shape[1], facing.shape[1]), COLUMNS, seed=side.seed, half=Half.SEARCH)
    if not len(places) or not len(columns):
        return 0.0
    x = widened(side.checkpoint.take(fused.name, rows(places)))[:, columns].astype(np.float64)
    y = widened(other.checkpoint.take(facing.name, places))[:, columns].astype(np.float64)
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        cosines: Floats = (x * y).sum(axis=1) / norms
    return float(np.where(np.isfinite(cosines), cosines, 0.0).mean())
