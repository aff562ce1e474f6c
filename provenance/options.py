"""What a comparison can be asked to do differently; every field that changes a number is recorded in the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

ALPHA = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Sided:
    """A setting that may differ between the two sides."""

    a: str | None = None
    b: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Settings of one comparison.

    Attributes
    ----------
    rows : int or None
        Units sampled of each matrix; None takes 256, and 512 of a small checkpoint.
    layers : int
        Layers sampled of a deep stack; small checkpoints are always read whole.
    full : bool
        Read every value, and fill the result's `tensors`.
    spectrum : bool
        With `full`: the singular values of each matrix's change as well.
    thorough : bool
        Search for permuted units and rotated residual streams whatever it costs; small checkpoints always are.
    alpha : float
        Corrected p-value below which dependence is found.
    sample_seed : int
        Moves the sampled positions; 0 is the public default.
    time_limit : float or None
        Seconds after which no new measurement is started.
    subtree : Sided
        Only tensors under this name prefix.
    variant : Sided
        Weight set to read in a folder that holds several.
    renames : mapping
        Name prefixes of A and what they are called in B, given by the user.
    device : str
        `cpu`, `cuda` or `auto`.
    threads : int or None
        Worker threads; None takes one a core. Never changes a number.
    budget : int or None
        Bytes of files that may be fetched from the Hub; None for 500 MB. Little of it makes the sample smaller.
    allow_download : bool
        Fetch as much as it takes, whole files too.
    """

    rows: int | None = None
    layers: int = 8
    full: bool = False
    spectrum: bool = False
    thorough: bool = False
    alpha: float = ALPHA
    sample_seed: int = 0
    time_limit: float | None = None
    subtree: Sided = field(default_factory=Sided)
    variant: Sided = field(default_factory=Sided)
    renames: Mapping[str, str] = field(default_factory=dict)
    device: str = "cpu"
    threads: int | None = None
    budget: int | None = None
    allow_download: bool = False


class Progress(Protocol):
    """Where a long run reports how far it is. Called from one thread only."""

    def stage(self, name: str, total: int | None = None, *, in_bytes: bool = False) -> None:
        """A new stage begins; `total` steps, or bytes, if known."""
        ...

    def advance(self, steps: int = 1) -> None:
        """So many steps of the stage are done."""
        ...

    def note(self, words: str) -> None:
        """Something to show beside the stage."""
        ...


class Silent:
    """Progress that goes nowhere."""

    def stage(self, name: str, total: int | None = None, *, in_bytes: bool = False) -> None:
        """Ignore."""

    def advance(self, steps: int = 1) -> None:
        """Ignore."""

    def note(self, words: str) -> None:
        """Ignore."""
