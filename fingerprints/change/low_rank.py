"""Of how many directions is a change made, above the floor that rounding leaves?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MOST_OF_ALL = 1 / 3
"""Of the singular values that there are: more directions are no low rank."""
FLOOR = 1.5
"""What is left may hold so many times the energy that rounding explains."""
NEGLIGIBLE = 1e-4
"""Share of the energy of the change that may be left where values were not rounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spectrum:
    """The singular values of a change.

    Attributes
    ----------
    rank : int or None
        Directions that leave nothing but rounding behind; None where it takes more than a third of them.
    share : float
        Share of the singular values that hold 99 % of the energy.
    above_floor : float
        Energy of the change over what rounding explains; infinite where rounding explains nothing.
    edge : float
        Largest singular value over that of white noise of the same energy and shape.
    left : ndarray, shape (m,)
        The first left singular vector: the direction in which units change most.
    """

    rank: int | None
    share: float
    above_floor: float
    edge: float
    left: Floats


def spectrum(change: Floats, rounding: float, *, energy: float = 0.99) -> Spectrum | None:
    """The spectrum of a change.

    Parameters
    ----------
    change : ndarray of float64, shape (m, n)
        Values after minus values before.
    rounding : float
        Expected sum of squares of the errors of rounding.
    energy : float
        What `share` counts.

    Returns
    -------
    Spectrum or None
        None for no change, or one that is not finite.

    Notes
    -----
    The largest singular value of white noise of variance s^2 is s (sqrt(m) + sqrt(n)) (V. Marchenko, L. Pastur, 1967).
    """
    if not np.isfinite(change).all() or not change.any():
        return None
    u, values, _ = np.linalg.svd(change, full_matrices=False)
    powers = values**2
    total = float(powers.sum())
    left_over = total - np.cumsum(powers)
    allowed = max(FLOOR * rounding, NEGLIGIBLE * total)
    rank = int(np.searchsorted(-left_over, -allowed)) + 1
    m, n = change.shape
    white = np.sqrt(total / (m * n)) * (np.sqrt(m) + np.sqrt(n))
    return Spectrum(
        rank=rank if rank <= MOST_OF_ALL * len(values) and total > 2 * FLOOR * rounding else None,
        share=float(np.searchsorted(np.cumsum(powers) / total, energy) + 1) / len(values),
        above_floor=total / rounding if rounding > 0 else float("inf"),
        edge=float(values[0] / white),
        left=u[:, 0],
    )


def rounding_energy(values: Floats, digits: int) -> float:
    """Expected sum of squares of what rounding to `digits` significant bits changed in these values."""
    size = np.abs(values)
    exponents = np.floor(np.log2(size, out=np.full_like(size, -126.0), where=size > 0))
    steps = np.exp2(exponents - (digits - 1))
    return float(np.sum(np.where(size > 0, steps * steps, 0.0)) / 12.0)
