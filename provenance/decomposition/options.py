"""What a decomposition can be asked to do differently."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DecomposeOptions:
    """Settings of one decomposition.

    Attributes
    ----------
    rows : int or None
        Rows sampled of each matrix; None takes 64, and all of a small checkpoint.
    layers : int or None
        Layers sampled of a deep stack; None takes all, which curves over layers need.
    full : bool
        Read every value.
    sample_seed : int
        Moves the sampled positions; 0 is the public default.
    budget : int or None
        Bytes of files that may be fetched from the Hub; None for 500 MB.
    allow_download : bool
        Fetch as much as it takes, whole files too.
    """

    rows: int | None = None
    layers: int | None = None
    full: bool = False
    sample_seed: int = 0
    budget: int | None = None
    allow_download: bool = False
