"""One row of the table that a full pass gives: a tensor of A beside its counterpart in B, every value of both."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorEntry:
    """Two counterparts of one shape. Shares are of all elements; None is what is not defined for these values, or was
    not asked for.
    """

    a: str
    b: str
    shape: tuple[int, ...]
    dtype_a: str
    dtype_b: str
    elements: int
    cosine: float | None
    """Between both as vectors."""
    relative_change: float | None
    """|B - A| / |A|."""
    max_abs_change: float
    max_at: tuple[int, ...] | None
    """Where the largest change is."""
    equal_share: float
    sign_flips: float
    zeros_a: float
    zeros_b: float
    zeros_both: float
    """Zeros at the same places."""
    bit_distance: float | None
    """Mean number of stored bits in which an element differs."""
    nonfinite_a: int
    nonfinite_b: int
    stable_rank: float | None = None
    """Of B - A: energy over its largest share."""
    effective_rank: float | None = None
    """Of B - A: squared energy over the sum of squared shares."""
    energy_top_1: float | None = None
    energy_top_8: float | None = None
    energy_top_64: float | None = None
    """Share of the energy of B - A in its largest singular values."""
