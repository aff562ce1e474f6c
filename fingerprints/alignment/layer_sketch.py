"""What a layer looks like from the half of the units that searches may see.

Two sketches. The cosines between the rows that a layer writes to sampled residual dimensions do not change when its
neurons or heads are permuted or mixed among themselves, and survive a change of their number. The entries of its
first rows and columns also see layers that write nothing, such as inserted blocks that start at zero.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from fingerprints.alignment.stacks import Stack, StackPair
from fingerprints.anatomy import Part
from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CheckpointError
from fingerprints.kernels import unit_rows
from fingerprints.sampling import Half, Ints, units
from fingerprints.values import Floats32, widened

Floats = npt.NDArray[np.float64]
Key = tuple[str, str]

DIMENSIONS = 96
ROWS = 16
COLUMNS = 1024


def likeness(stacks: StackPair, a: Checkpoint, b: Checkpoint, dims: tuple[Ints, Ints], *, seed: int = 0) -> Floats:
    """How alike the layers of two stacks are.

    Parameters
    ----------
    stacks : StackPair
        The two stacks.
    a, b : Checkpoint
        Where values are read: about 100 rows of two matrices and 16 of the others, of every layer.
    dims : pair of ndarray of int64
        Residual dimensions of A and their counterparts in B, of the half for searches.
    seed : int
        Moves the sampled positions.

    Returns
    -------
    ndarray of float64, shape (layers of A, layers of B)
        Larger of the two sketches' mean correlations, in [-1, 1]; 0 where nothing can be compared.
    """
    step = max(1, len(dims[0]) // DIMENSIONS)
    few = dims[0][::step][:DIMENSIONS], dims[1][::step][:DIMENSIONS]
    depths = len(stacks.a.layers), len(stacks.b.layers)
    written = _correlations(_written(stacks.a, a, few[0]), _written(stacks.b, b, few[1]), depths)
    entries = _correlations(_entries(stacks.a, a, dims[0], seed), _entries(stacks.b, b, dims[1], seed), depths)
    return np.maximum(written, entries)


Sketches = Mapping[Key, Mapping[int, Floats]]
"""By role and kind, by the layer's place in its stack."""


def _written(stack: Stack, checkpoint: Checkpoint, dims: Ints) -> Sketches:
    """Cosines between the rows of matrices whose rows are residual dimensions."""
    found: dict[Key, dict[int, Floats]] = {}
    for place, layer in enumerate(stack.layers):
        for key, part in stack.of_role(layer).items():
            if len(part.axes) == 2 and part.axes[0] == "residual":
                cosines = written_cosines(part, checkpoint, dims)
                if cosines is not None:
                    found.setdefault(key, {})[place] = cosines
    return found


def writes_nothing(stack: Stack, layer: int, checkpoint: Checkpoint) -> bool:
    """Whether all that a layer adds to the residual stream is zero, as far as a few rows tell."""
    writers = [
        part
        for part in stack.layers[layer].values()
        if part.role in ("attn_out", "ffn_down") and len(part.axes) == 2 and part.info.size
    ]
    try:
        samples = [checkpoint.take(part.name, units(part.shape[0], ROWS)) for part in writers]
    except CheckpointError:
        return False
    return bool(writers) and not any(widened(sample).any() for sample in samples)


def written_cosines(part: Part, checkpoint: Checkpoint, dims: Ints) -> Floats | None:
    """Centred, normalised cosines between rows of a matrix whose rows are residual dimensions, in the order of `dims`.

    None where they cannot be read or are all zero.
    """
    order = np.argsort(dims)
    taken = _taken(part, checkpoint, dims[order])
    if taken is None:
        return None
    rows, _ = unit_rows(taken)
    cosines = np.empty((len(dims), len(dims)))
    cosines[np.ix_(order, order)] = rows @ rows.T
    upper: Floats = _centred(cosines[np.triu_indices(len(dims), k=1)][None, :])[0]
    return upper


def _entries(stack: Stack, checkpoint: Checkpoint, dims: Ints, seed: int) -> Sketches:
    """Entries of a few rows of matrices that read the residual stream."""
    found: dict[Key, dict[int, Floats]] = {}
    for place, layer in enumerate(stack.layers):
        for key, part in stack.of_role(layer).items():
            if len(part.axes) == 2 and part.axes[1] == "residual":
                rows = units(part.shape[0], ROWS, seed=seed, half=Half.SEARCH)
                values = _taken(part, checkpoint, rows)
                if values is not None:
                    entries = values[:, dims[:COLUMNS]].reshape(1, -1).astype(np.float64)
                    found.setdefault(key, {})[place] = _centred(entries)[0]
    return found


def _taken(part: Part, checkpoint: Checkpoint, rows: Ints) -> Floats32 | None:
    if not len(rows):
        return None
    try:
        values = widened(checkpoint.take(part.name, rows))
    except CheckpointError:
        return None
    return values if np.isfinite(values).all() and values.any() else None


def _correlations(ours: Sketches, theirs: Sketches, depths: tuple[int, int]) -> Floats:
    """Mean over roles of the correlations of sketches, for every two layers."""
    total, count = np.zeros(depths), np.zeros(depths)
    for key in sorted(ours.keys() & theirs.keys()):
        x, y = ours[key], theirs[key]
        if len({len(vector) for vector in (*x.values(), *y.values())}) != 1:
            continue
        c = np.stack(list(x.values())) @ np.stack(list(y.values())).T
        at = np.ix_(list(x), list(y))
        total[at] += c
        count[at] += 1
    return np.divide(total, count, out=np.zeros_like(total), where=count > 0)


def _centred(vectors: Floats) -> Floats:
    return unit_rows(vectors - vectors.mean(axis=1, keepdims=True))[0]
