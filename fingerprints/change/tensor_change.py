"""What the change of one tensor looks like: the measurements that kinds are told by."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from fingerprints.anatomy import Part
from fingerprints.change.grid import Grid, find_grid, nearest_share
from fingerprints.change.low_rank import Floats, Spectrum, rounding_energy, spectrum
from fingerprints.change.zeros import Zeros, find_zeros
from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import CheckpointError
from fingerprints.pairing import Pair
from fingerprints.sampling import units
from fingerprints.values import PRECISION, widened

ROWS = 256
COLUMNS = 8192
SPECTRUM_COLUMNS = 1024
TURNED = 1 << 22
"""Elements of a matrix stored inputs first up to which it is read whole, to be looked at outputs first."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TensorChange:
    """The change of one pair of matrices, from B - A on sampled rows.

    Attributes
    ----------
    pair : Pair
        The counterparts.
    spectrum : Spectrum
        Of the change, inputs along axis 1.
    written : ndarray or None
        For a matrix that writes to the residual stream: the direction on the stream that its change has most of.
    grids : pair of Grid or None
        The grids that A's and B's values lie on.
    zeros : Zeros
        Zeros of both sides.
    growth : float
        (|B|^2 - |A|^2) / |B - A|^2: one for a change at right angles to A, minus one for one at right angles to B.
    growth_noise : float
        Standard deviation of `growth` for a change that is noise.
    kurtosis : float
        Fourth moment of the change over the square of the second, rows scaled to one size: 3 for Gaussian noise, 1.8
        for the errors of rounding to one step.
    survivors : float
        Relative change of the entries that are zero on neither side.
    nearest : float or None
        Share of the entries of the one side on a grid that are the level next to the other side's.
    """

    pair: Pair
    spectrum: Spectrum
    written: Floats | None
    grids: tuple[Grid | None, Grid | None]
    zeros: Zeros
    growth: float
    growth_noise: float
    kurtosis: float
    survivors: float
    nearest: float | None = None

    @property
    def quantised_side(self) -> str | None:
        """`a` or `b` where the values of that side alone lie on a grid."""
        if (self.grids[0] is None) == (self.grids[1] is None):
            return None
        return "a" if self.grids[0] is not None else "b"

    @property
    def grid(self) -> Grid | None:
        """The grid of the one side that is on one."""
        return None if self.quantised_side is None else self.grids[0] or self.grids[1]


def describe_change(
    pair: Pair,
    a: Checkpoint,
    b: Checkpoint,
    stored: tuple[Checkpoint, Checkpoint] | None = None,
    *,
    seed: int = 0,
) -> TensorChange | None:
    """Describe the change of one pair.

    Parameters
    ----------
    pair : Pair
        Matrices of one shape; filters count as rows.
    a, b : Checkpoint
        Where up to 256 rows of each are read.
    stored : pair of Checkpoint, optional
        Where values are as they are stored, if `a` and `b` show them in another order or basis: no grid survives that.
    seed : int
        Moves them.

    Returns
    -------
    TensorChange or None
        None where the values are equal, not finite, or cannot be read.
    """
    if len(pair.a.shape) < 2 or pair.a.shape != pair.b.shape:
        return None
    all_rows = pair.a.transposed and prod(pair.a.shape) <= TURNED
    rows = units(pair.a.shape[0], pair.a.shape[0] if all_rows else ROWS, seed=seed)
    try:
        x, y = (
            widened(side.take(part.name, rows)).reshape(len(rows), prod(pair.a.shape[1:]))
            for side, part in ((a, pair.a), (b, pair.b))
        )
    except CheckpointError:
        return None
    if not (np.isfinite(x).all() and np.isfinite(y).all()) or np.array_equal(x, y):
        return None
    whole = len(rows) == pair.a.shape[0]
    outputs_first = not pair.a.transposed
    turn = whole and not outputs_first and len(pair.a.shape) == 2
    if turn:
        outputs = units(x.shape[1], ROWS, seed=seed)
        x, y = (np.ascontiguousarray(side[:, outputs].T) for side in (x, y))
        whole = len(outputs) == pair.a.shape[1]
    columns = units(x.shape[1], SPECTRUM_COLUMNS, seed=seed)
    before, after = x[:, columns].astype(np.float64), y[:, columns].astype(np.float64)
    digits = [PRECISION.get(part.info.dtype, 24) for part in (pair.a, pair.b)]
    rounding = sum(rounding_energy(side, count) for side, count in zip((before, after), digits, strict=True))
    found = spectrum(after - before, rounding)
    if found is None:
        return None
    squares = [float(np.square(side.astype(np.float64)).sum()) for side in (x, y, y - x)]
    both = (x != 0) & (y != 0)
    kept = float(np.square((y - x)[both], dtype=np.float64).sum()) / max(float(np.square(x[both]).sum()), 1e-30)
    oriented = turn or outputs_first
    grids = (find_grid(x[:, :COLUMNS]), find_grid(y[:, :COLUMNS])) if oriented else (None, None)
    moved = stored is not None and _is_view(pair, stored)
    if moved and stored is not None:
        grids = _stored_grid(pair.a, stored[0], seed), _stored_grid(pair.b, stored[1], seed)
    nearest = None
    if moved:
        pass
    elif grids[1] is not None and grids[0] is None:
        nearest = nearest_share(x, y, grids[1])
    elif grids[0] is not None and grids[1] is None:
        nearest = nearest_share(y, x, grids[0])
    return TensorChange(
        pair=pair,
        spectrum=found,
        written=_written(pair, found) if whole and oriented else None,
        grids=grids,
        zeros=find_zeros(x, y),
        growth=(squares[1] - squares[0]) / max(squares[2], 1e-30),
        growth_noise=2.0 * float(np.sqrt(squares[0] / max(squares[2], 1e-30) / x.size)),
        kurtosis=_kurtosis(after - before),
        survivors=float(np.sqrt(kept)),
        nearest=nearest,
    )


def _is_view(pair: Pair, stored: tuple[Checkpoint, Checkpoint]) -> bool:
    """Whether some side is shown otherwise than it is stored."""
    return any(side.tensors.get(part.name) != part.info for part, side in zip((pair.a, pair.b), stored, strict=True))


def _stored_grid(part: Part, stored: Checkpoint, seed: int) -> Grid | None:
    """The grid of a tensor as it is stored; None where it has another name there, or lies inputs first."""
    info = stored.tensors.get(part.name)
    if info is None or part.transposed or len(info.shape) < 2:
        return None
    try:
        values = widened(stored.take(part.name, units(info.shape[0], ROWS, seed=seed)))
    except CheckpointError:
        return None
    return find_grid(values.reshape(len(values), prod(info.shape[1:]))[:, :COLUMNS])


def _kurtosis(change: Floats) -> float:
    sizes = np.sqrt(np.mean(change**2, axis=1, keepdims=True))
    scaled = np.divide(change, sizes, out=np.zeros_like(change), where=sizes > 0)[sizes[:, 0] > 0]
    return float(np.mean(scaled**4)) if scaled.size else 0.0


def _written(pair: Pair, found: Spectrum) -> Floats | None:
    """The first left singular vector where outputs are the residual stream, all of it read."""
    axes = pair.a.axes[::-1] if pair.a.transposed else pair.a.axes
    return found.left if axes[:1] == ("residual",) else None
