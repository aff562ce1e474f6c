"""What the basis of a residual stream is sought from: folded rows of one side's matrices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fingerprints.alignment.axis_map import Floats32
from fingerprints.alignment.folding import Folding
from fingerprints.alignment.unit_features import unit_features
from fingerprints.anatomy import Anatomy, Part
from fingerprints.checkpoint import Checkpoint
from fingerprints.sampling import Ints

FIRST = ("ffn_gate", "ffn_up", "ffn_gate_up")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BasisSide:
    """One side's tower, read with its gains folded in where `folding` tells them."""

    anatomy: Anatomy
    checkpoint: Checkpoint
    tower: str
    folding: Folding | None

    def part(self, role: str) -> Part | None:
        """The tower's matrix of a role, if it has one."""
        return next(
            (
                part
                for part in self.anatomy.parts.values()
                if part.role == role and part.tower == self.tower and len(part.shape) == 2
            ),
            None,
        )

    def rows(self, part: Part, rows: Ints | None = None) -> Floats32 | None:
        """Folded rows of a matrix: one a unit of the axis that is not the residual stream."""
        place = part.axes.index("residual")
        if rows is None:
            inner = np.arange(part.shape[place], dtype=np.int64)
            values = unit_features(part, 1 - place, inner, self.checkpoint)
        elif place == 1:
            inner = np.arange(part.shape[1], dtype=np.int64)
            values = unit_features(part, 0, inner, self.checkpoint, units=rows)
        else:
            return None
        gain = None if self.folding is None else self.folding.gain_of(part)
        if values is None or gain is None:
            return values
        return values * gain

    def longest(self, part: Part, most: int) -> Floats32 | None:
        """The folded rows of largest norm, which are the same ones in any order and basis; all where they are few."""
        if part.axes.index("residual") == 0 or part.shape[0] <= most:
            values = self.rows(part)
            return None if values is None else _longest(values, most)
        kept = np.zeros((0, part.shape[1]), np.float32)
        for start in range(0, part.shape[0], most):
            block = self.rows(part, np.arange(start, min(start + most, part.shape[0]), dtype=np.int64))
            if block is None:
                return None
            kept = _longest(np.concatenate([kept, block]), most)
        return kept


def first_matrices(layer: Mapping[str, Part]) -> list[Part]:
    """The first matrices of a layer's MLPs, those that open neurons in front."""
    return [
        part
        for part in sorted(layer.values(), key=_rank)
        if part.role in FIRST and part.axes.count("residual") == 1 and len(part.shape) == 2
    ]


def _rank(part: Part) -> int:
    return FIRST.index(part.role) if part.role in FIRST else len(FIRST)


def _longest(values: Floats32, most: int) -> Floats32:
    if len(values) <= most:
        return values
    norms = np.einsum("ij,ij->i", values, values, dtype=np.float64)
    chosen: Floats32 = values[np.sort(np.argsort(-norms, kind="stable")[:most])]
    return chosen


def centred(values: Floats32) -> Floats32:
    """Rows without their mean over the rows."""
    found: Floats32 = values - values.mean(axis=0, keepdims=True)
    return found
