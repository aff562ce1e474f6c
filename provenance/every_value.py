"""The full pass of a comparison: every value of every pair, told to the progress in bytes."""

from __future__ import annotations

from fingerprints.checkpoint import Checkpoint
from fingerprints.pairing import Pairing
from fingerprints.streaming import FullPass, PairStatistics, PassSettings, full_pass
from provenance.magnitudes import counted
from provenance.options import Progress
from provenance.result import NotMeasured
from provenance.tensor_entry import TensorEntry

SIGNAL = "full pass"


def read_every_value(
    pairing: Pairing, a: Checkpoint, b: Checkpoint, settings: PassSettings, progress: Progress
) -> FullPass:
    """Read both sides once and compare what has a counterpart.

    Raises
    ------
    CorruptCheckpoint
        When a file changed while it was read.
    """
    total = sum(pair.a.info.nbytes + pair.b.info.nbytes for pair in pairing.pairs)
    progress.stage("reading every value", total, in_bytes=True)
    return full_pass(pairing.pairs, a, b, settings, progress.advance)


def tensor_entries(found: FullPass | None) -> tuple[TensorEntry, ...]:
    """The rows of the table; none without a full pass."""
    return () if found is None else tuple(_entry(each) for each in found.statistics)


def pairs_left_out(found: FullPass | None) -> tuple[NotMeasured, ...]:
    """Which pairs have no row, by reason."""
    by_reason: dict[str, list[str]] = {}
    for pair, reason in () if found is None else found.left_out:
        by_reason.setdefault(reason, []).append(pair.a.name)
    return tuple(
        NotMeasured(signal=SIGNAL, subject=counted(names), reason=reason) for reason, names in sorted(by_reason.items())
    )


def _entry(found: PairStatistics) -> TensorEntry:
    """The row for what was measured on one pair."""
    a, b, spectrum = found.pair.a.info, found.pair.b.info, found.spectrum
    return TensorEntry(
        a=a.name,
        b=b.name,
        shape=a.shape,
        dtype_a=a.stored_as,
        dtype_b=b.stored_as,
        elements=found.elements,
        cosine=found.cosine,
        relative_change=found.relative_change,
        max_abs_change=found.max_abs_change,
        max_at=found.max_at,
        equal_share=found.equal_share,
        sign_flips=found.sign_flips,
        zeros_a=found.zeros_a,
        zeros_b=found.zeros_b,
        zeros_both=found.zeros_both,
        bit_distance=found.bit_distance,
        nonfinite_a=found.nonfinite_a,
        nonfinite_b=found.nonfinite_b,
        stable_rank=None if spectrum is None else spectrum.stable_rank,
        effective_rank=None if spectrum is None else spectrum.effective_rank,
        energy_top_1=None if spectrum is None else spectrum.energy[0],
        energy_top_8=None if spectrum is None else spectrum.energy[1],
        energy_top_64=None if spectrum is None else spectrum.energy[2],
    )
