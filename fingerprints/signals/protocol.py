"""What a signal is to the rest of the program."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from fingerprints.contribution import Contribution
from fingerprints.pairing import Pair
from fingerprints.samples import PairSample, SampleSettings, Scale
from fingerprints.values import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalContext:
    """What signals may use besides the sample: settings, where to compute, and each side's norm gains by part."""

    settings: SampleSettings
    device: str = "cpu"
    fold: tuple[Scale, Scale] | None = None


class Signal(Protocol):
    """Turns looked-at values into contributions to permutation groups.

    `method` is a string that encodes every setting that changes its numbers.
    """

    name: str

    def method(self, settings: SampleSettings) -> str:
        """Name, version and settings, such as `neuron_index/v1?rows=256`."""
        ...

    def of_matrix(self, sample: PairSample, context: SignalContext) -> Iterator[Contribution]:
        """Contributions of one pair of matrices."""
        ...

    def of_vectors(self, pair: Pair, a: Array, b: Array, context: SignalContext) -> Iterator[Contribution]:
        """Contributions of one pair of vectors."""
        ...


def method_string(name: str, version: int, settings: SampleSettings) -> str:
    """The canonical method string of a signal."""
    half = "" if not settings.half else f"&half={settings.half.value}"
    seed = f"&seed={settings.seed}" if settings.seed else ""
    return f"{name}/v{version}?rows={settings.rows}{seed}{half}"
