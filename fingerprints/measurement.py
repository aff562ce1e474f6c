"""Look at the counterparts of two checkpoints once, and let every signal see what was read.

Tensors are read and digested by a few threads; what they saw is added up in the order of the tensors, and matrix
products run on one thread each, so that no number depends on how many threads there are.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
from threadpoolctl import threadpool_limits

from fingerprints.anatomy import Anatomy, PartKind
from fingerprints.axes import AxisPlan, plan_axes
from fingerprints.checkpoint import Checkpoint
from fingerprints.contribution import Contribution, shares_zero_mask
from fingerprints.copies import CopyFinder
from fingerprints.description import described_anatomies
from fingerprints.errors import CheckpointError
from fingerprints.gains import GainBook
from fingerprints.groups import AxisTest, Groups, Untested
from fingerprints.kernels import spearman
from fingerprints.kernels.moments import moments
from fingerprints.learned import starts_as_waves, why_not_learned
from fingerprints.pairing import Pair, Pairing
from fingerprints.samples import PairSample, SampleSettings, read_sample, read_vectors
from fingerprints.sampling import Half, in_half
from fingerprints.selection import MOST_VECTORS, select
from fingerprints.signals import SIGNALS, SignalContext
from fingerprints.signals.tensor_digest import Equality, sampled_equality
from fingerprints.values import Array, widened
from fingerprints.wiring import is_position_table

IN_FLIGHT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorMeasurement:
    """What was seen of one pair of tensors.

    Attributes
    ----------
    pair : Pair
        The counterparts.
    equality : Equality
        Of the values that were read.
    cosine : float
        Between all values read, as one vector.
    relative_change : float
        Norm of the difference over the norm of A's values.
    common_change : float
        Share of a matrix' change that is one row added to all rows, in [0, 1].
    rank_correlation : float or None
        Spearman's, for vectors; after a search over the half that it did not see.
    ranked : int
        Number of entries that it is over.
    not_learned : str or None
        Why the tensor is no evidence.
    shared_zeros : bool
        Zeros stand at the same places beyond chance.
    reasons : tuple of str
        Why some axis is not tested.
    """

    pair: Pair
    equality: Equality
    cosine: float
    relative_change: float
    common_change: float = 0.0
    rank_correlation: float | None = None
    ranked: int = 0
    not_learned: str | None = None
    shared_zeros: bool = False
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Everything that was measured on a pairing. `skipped` lists pairs that were not looked at, with the reason."""

    tensors: tuple[TensorMeasurement, ...]
    tests: tuple[AxisTest, ...]
    untested: tuple[Untested, ...]
    skipped: tuple[tuple[Pair, str], ...]


NOTHING_MEASURED = Measurement(tensors=(), tests=(), untested=(), skipped=())


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureSettings:
    """How much to look at, and with what: `layers` and `vectors` of a deep stack (None for all layers), `deadline` by
    `time.monotonic`.
    """

    sample: SampleSettings = field(default_factory=SampleSettings)
    layers: int | None = 8
    vectors: int = MOST_VECTORS
    device: str = "cpu"
    threads: int = 1
    deadline: float | None = None


@dataclass(slots=True)
class _Seen:
    """One tensor's measurement and contributions, or why there are none."""

    pair: Pair
    tensor: TensorMeasurement | None = None
    contributions: list[Contribution] = field(default_factory=list)
    sample: PairSample | None = None
    reason: str = ""


def measure(
    pairing: Pairing,
    anatomies: tuple[Anatomy, Anatomy],
    checkpoints: tuple[Checkpoint, Checkpoint],
    settings: MeasureSettings,
    advance: Callable[[int], None] = lambda steps: None,
) -> Measurement:
    """Measure a pairing.

    Parameters
    ----------
    pairing : Pairing
        The counterparts.
    anatomies, checkpoints : pair
        A's and B's.
    settings : MeasureSettings
        How much to look at.
    advance : callable
        Told how many pairs are done.
    """
    plans = plan_axes(pairing.pairs, *anatomies)
    selected, skipped = select(pairing.pairs, plans, settings.layers, settings.vectors)
    known = described_anatomies(pairing, *anatomies)
    gains = (GainBook(known[0], checkpoints[0]), GainBook(known[1], checkpoints[1]))
    context = SignalContext(
        settings=settings.sample, device=settings.device, fold=(gains[0].gain_before, gains[1].gain_before)
    )
    groups, finder = Groups(), CopyFinder()
    tensors: list[TensorMeasurement] = []
    left_out = list(skipped)
    with threadpool_limits(limits=1):
        for seen in _in_order(selected, plans, checkpoints, context, settings):
            advance(1)
            if seen.tensor is None:
                left_out.append((seen.pair, seen.reason))
                continue
            tensors.append(seen.tensor)
            if seen.tensor.not_learned is None:
                for contribution in seen.contributions:
                    groups.add(contribution)
                if seen.sample is not None:
                    finder.add(seen.sample)
        tests, untested = groups.finish(finder.copies())
    return Measurement(tensors=tuple(tensors), tests=tuple(tests), untested=tuple(untested), skipped=tuple(left_out))


def _in_order(
    selected: Sequence[Pair],
    plans: dict[str, AxisPlan],
    checkpoints: tuple[Checkpoint, Checkpoint],
    context: SignalContext,
    settings: MeasureSettings,
) -> Iterator[_Seen]:
    """Work on a few pairs at a time, hand them out in order; after the deadline nothing new is begun."""

    def late() -> bool:
        return settings.deadline is not None and time.monotonic() > settings.deadline

    def work(pair: Pair) -> _Seen:
        if late():
            return _Seen(pair=pair, reason="the time limit was reached")
        return _look(pair, plans.get(pair.a.name), checkpoints, context)

    with ThreadPoolExecutor(max_workers=max(1, settings.threads)) as pool:
        waiting: deque[Future[_Seen]] = deque()
        for pair in selected:
            waiting.append(pool.submit(work, pair))
            if len(waiting) >= IN_FLIGHT * max(1, settings.threads):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _look(
    pair: Pair, plan: AxisPlan | None, checkpoints: tuple[Checkpoint, Checkpoint], context: SignalContext
) -> _Seen:
    """Read one pair and run the signals on it; a tensor that cannot be read spoils only itself."""
    a, b = checkpoints
    seen = _Seen(pair=pair)
    if pair.a.info.size == 0 or pair.b.info.size == 0:
        seen.reason = "it is empty"
        return seen
    if pair.a.info.dtype.startswith("C") != pair.b.info.dtype.startswith("C"):
        seen.reason = "only one side holds complex numbers"
        return seen
    try:
        if plan is None:
            raw_a, raw_b = (
                read_vectors(pair, a, b) if pair.a.shape else (a.rows(pair.a.name, 0, 1), b.rows(pair.b.name, 0, 1))
            )
            seen.tensor = _with_ranks(_tensor(pair, raw_a, raw_b, ()), raw_a, raw_b, context.settings.half)
            if seen.tensor.not_learned is None:
                for signal in SIGNALS:
                    seen.contributions += signal.of_vectors(pair, raw_a, raw_b, context)
            return seen
        sample = read_sample(pair, plan, a, b, context.settings)
    except CheckpointError as error:
        seen.reason = error.message
        return seen
    seen.tensor = _tensor(pair, sample.raw_a, sample.raw_b, plan.reasons)
    if seen.tensor.not_learned is None and is_position_table(pair.a) and _both_waves(sample):
        reason = "positions that started as waves order their columns"
        seen.tensor = replace(seen.tensor, reasons=(*plan.reasons, reason))
    elif seen.tensor.not_learned is None:
        seen.sample = sample
        for signal in SIGNALS:
            seen.contributions += signal.of_matrix(sample, context)
    return seen


def _both_waves(sample: PairSample) -> bool:
    return all(starts_as_waves(side.reshape(side.shape[0] * side.shape[1], -1)) for side in (sample.a, sample.b))


def _tensor(pair: Pair, raw_a: Array, raw_b: Array, reasons: tuple[str, ...]) -> TensorMeasurement:
    """Equality, cosine and change of what was read, and whether it was learned at all."""
    wide_a, wide_b = widened(raw_a), widened(raw_b)
    columns = tuple(slice(0, min(n, m)) for n, m in zip(wide_a.shape, wide_b.shape, strict=True))
    count = min(len(wide_a), len(wide_b)) if wide_a.ndim > 1 else 1
    x, y = (side[columns].reshape(count, -1) for side in (wide_a, wide_b))
    seen, common = moments(x, y), 0.0
    if not np.isfinite(seen.xx + seen.yy):
        finite = np.isfinite(x) & np.isfinite(y)
        x, y = np.where(finite, x, 0), np.where(finite, y, 0)
        seen = moments(x, y)
    elif wide_a.ndim == 2 and seen.change > 0:
        common = float(np.square(seen.shift).sum()) / (len(x) * seen.change)
    return TensorMeasurement(
        pair=pair,
        equality=sampled_equality(pair, raw_a, raw_b),
        cosine=seen.xy / np.sqrt(seen.xx * seen.yy) if seen.xx > 0 and seen.yy > 0 else 0.0,
        relative_change=float(np.sqrt(seen.change / seen.xx)) if seen.xx > 0 else 0.0,
        common_change=common,
        not_learned=why_not_learned(wide_a) or why_not_learned(wide_b),
        shared_zeros=len(pair.a.shape) > 1 and shares_zero_mask(x, y),
        reasons=reasons,
    )


def _with_ranks(tensor: TensorMeasurement, raw_a: Array, raw_b: Array, half: Half) -> TensorMeasurement:
    """The measurement of a vector with its rank correlation."""
    if len(tensor.pair.a.shape) != 1 or tensor.pair.a.kind is PartKind.STATISTIC:
        return tensor
    length = min(len(raw_a), len(raw_b))
    shown = in_half(np.arange(length), half)
    x, y = (widened(side)[:length].reshape(length, -1)[shown].ravel() for side in (raw_a, raw_b))
    finite = np.isfinite(x) & np.isfinite(y)
    correlation = spearman(np.where(finite, x, 0), np.where(finite, y, 0))
    return replace(tensor, rank_correlation=correlation, ranked=int(np.count_nonzero(shown)))
