"""Which experts of a layer are which of its counterpart, or copies of one dense MLP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fingerprints.alignment.axis_map import AxisMap
from fingerprints.alignment.layer_map import FLOOR, SHARE
from fingerprints.alignment.layer_sketch import COLUMNS, DIMENSIONS, Floats, written_cosines
from fingerprints.anatomy import Part
from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CheckpointError
from fingerprints.sampling import Ints
from fingerprints.values import widened

MIXED = 32
"""Residual dimensions in which mixtures of experts are sought."""
NEARER = 0.5
"""Of the distance that experts from one dense MLP leave: less is a mixture."""
Mlps = Mapping[int | None, Mapping[str, Part]]
"""The MLPs of a layer by expert (None: a dense one), each by role and kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertMap:
    """MLPs of two layers that stand for one another, by expert; `mixed` says that a dense one is a mixture of them."""

    pairs: tuple[tuple[int | None, int | None], ...]
    experts_a: int
    experts_b: int
    mixed: bool = False

    @property
    def router(self) -> AxisMap | None:
        """The rows of A's router and those of B's; None where one of them is dense."""
        if not self.experts_a or not self.experts_b:
            return None
        known = sorted((a, b) for a, b in self.pairs if a is not None and b is not None)
        return AxisMap(
            a=np.array([a for a, _ in known], np.int64),
            b=np.array([b for _, b in known], np.int64),
            units_a=self.experts_a,
            units_b=self.experts_b,
        )


def mlps_of(layer: Mapping[str, Part]) -> Mlps:
    """The MLPs of one layer; shared experts are none of them."""
    found: dict[int | None, dict[str, Part]] = {}
    for part in layer.values():
        if part.role in ("ffn_gate", "ffn_up", "ffn_down", "ffn_gate_up") and ".shared_expert" not in part.module:
            found.setdefault(part.expert, {})[f"{part.role}.{part.kind}"] = part
    return {expert: found[expert] for expert in sorted(found, key=lambda e: -1 if e is None else e)}


def same_numbers(ours: Mlps, theirs: Mlps) -> ExpertMap:
    """Every expert stands for that of its own number."""
    return ExpertMap(
        pairs=tuple((expert, expert) for expert in ours if expert in theirs),
        experts_a=sum(expert is not None for expert in ours),
        experts_b=sum(expert is not None for expert in theirs),
    )


def match_experts(ours: Mlps, theirs: Mlps, a: Checkpoint, b: Checkpoint, dims: tuple[Ints, Ints]) -> ExpertMap | None:
    """Match the MLPs of two layers by the cosines between the rows that they write.

    One dense MLP stands for every expert that resembles it; experts stand for one another one to one.

    Parameters
    ----------
    ours, theirs : mapping
        MLPs of A's and of B's layer.
    a, b : Checkpoint
        Where values are read: about 100 rows of each MLP's second matrix.
    dims : pair of ndarray of int64
        Residual dimensions of A and their counterparts in B, of the half for searches.
    """
    step = max(1, len(dims[0]) // DIMENSIONS)
    x = _sketches(ours, a, dims[0][::step][:DIMENSIONS])
    y = _sketches(theirs, b, dims[1][::step][:DIMENSIONS])
    names_a, names_b = list(x), list(y)
    if not names_a or not names_b:
        return None
    c = np.stack([x[name] for name in names_a]) @ np.stack([y[name] for name in names_b]).T
    level = max(FLOOR, SHARE * float(np.median(c.max(axis=0 if c.shape[0] >= c.shape[1] else 1))))
    if min(c.shape) == 1:
        chosen = [(int(i), int(j)) for i, j in np.argwhere(c >= level)]
    else:
        chosen = [
            (i, int(j)) for i, j in enumerate(c.argmax(axis=1)) if c[i, j] >= level and int(c[:, j].argmax()) == i
        ]
    if not chosen:
        return None
    pairs = tuple((names_a[i], names_b[j]) for i, j in chosen)
    sides = (ours, a, dims[0]), (theirs, b, dims[1])
    one, many = sides if None in ours else sides[::-1]
    return ExpertMap(
        pairs=pairs,
        experts_a=sum(expert is not None for expert in ours),
        experts_b=sum(expert is not None for expert in theirs),
        mixed=len(pairs) > 1 and min(c.shape) == 1 and None in one[0] and _is_mixture(one, many),
    )


Written = tuple[Mlps, Checkpoint, Ints]


def _is_mixture(one: Written, many: Written) -> bool:
    """Whether a dense MLP is nearer to a mixture of the experts than experts that all started from it would have it.

    The mean of n models that left one point independently is nearer to that point than each of them, by the root of n.
    """
    dense, *experts = (
        None if (part := parts.get("ffn_down.matrix")) is None else _entries(part, checkpoint, dims)
        for mlps, checkpoint, dims in (one, many)
        for parts in mlps.values()
    )
    others = [values for values in experts if values is not None and dense is not None and values.shape == dense.shape]
    if dense is None or len(others) < 2:
        return False
    own = float(dense @ dense)
    alone = min(own - float(dense @ each) ** 2 / max(float(each @ each), 1e-30) for each in others)
    table = np.stack(others, axis=1)
    left = dense - table @ np.linalg.lstsq(table, dense, rcond=None)[0]
    return bool(np.sqrt(float(left @ left)) < NEARER / np.sqrt(len(others)) * np.sqrt(max(alone, 0.0)))


def _entries(part: Part, checkpoint: Checkpoint, dims: Ints) -> Floats | None:
    """Some entries of what an MLP writes, in one row."""
    rows = dims[:: max(1, len(dims) // MIXED)][:MIXED]
    order = np.argsort(rows)
    try:
        taken = widened(checkpoint.take(part.name, rows[order])).astype(np.float64)
    except CheckpointError:
        return None
    values = np.empty_like(taken)
    values[order] = taken
    return values[:, :COLUMNS].ravel() if np.isfinite(values).all() else None


def _sketches(mlps: Mlps, checkpoint: Checkpoint, dims: Ints) -> dict[int | None, Floats]:
    found = {}
    for expert, parts in mlps.items():
        part = parts.get("ffn_down.matrix") or next(iter(parts.values()))
        if len(part.axes) == 2 and part.axes[0] == "residual":
            sketch = written_cosines(part, checkpoint, dims)
            if sketch is not None:
                found[expert] = sketch
    return found
