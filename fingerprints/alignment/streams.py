"""Matrices on the residual stream of one side, as rows along it, whether or not their names say what they are."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from fingerprints.alignment.folding import NORM_BEFORE, WRITERS, Folding
from fingerprints.alignment.unit_features import WHOLE
from fingerprints.anatomy import Part
from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CheckpointError
from fingerprints.values import widened

Floats32 = npt.NDArray[np.float32]
ATTENTION = ("attn_q", "attn_k", "attn_v", "attn_qkv", "attn_kv", "attn_out")
TABLES = ("token_embd", "output")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a matrix is read: along which axis the residual stream lies, how many units make a block, whether the mean of
    all units is taken away.
    """

    axis: int
    block: int = 1
    centred: bool = False

    @classmethod
    def of(cls, part: Part, head: int) -> Reading | None:
        """How a part of a known role is read; None for what lies on the stream with both axes, or with none."""
        if len(part.shape) != 2 or part.axes.count("residual") != 1 or prod(part.shape) * 2 > WHOLE:
            return None
        axis = part.axes.index("residual")
        length = part.shape[1 - axis]
        block = head if part.role in ATTENTION and length % head == 0 and head < part.shape[axis] else 1
        return cls(axis=axis, block=block, centred=part.role in TABLES)


def stream_rows(
    part: Part, reading: Reading, checkpoint: Checkpoint, folding: Folding | None = None
) -> Floats32 | None:
    """The matrix with one row a unit, folded where a folding is given; None where it cannot be used.

    Parameters
    ----------
    part : Part
        A matrix; its role matters to the folding alone.
    reading : Reading
        How to read it.
    checkpoint : Checkpoint
        Where it is read, whole.
    folding : Folding, optional
        Gains to multiply in.
    """
    try:
        values = widened(checkpoint.rows(part.name, 0, part.shape[0])).astype(np.float32)
    except CheckpointError:
        return None
    if not np.isfinite(values).all():
        return None
    rows = values if reading.axis == 1 else values.T
    if folding is not None:
        gain = folding.gain_of(part) if part.role in NORM_BEFORE else None
        if gain is not None:
            rows = rows * gain
        if folding.centred and part.role in WRITERS:
            rows = rows - rows.mean(axis=1, keepdims=True)
    if reading.centred:
        rows = rows - rows.mean(axis=0, keepdims=True)
    return np.ascontiguousarray(rows)
