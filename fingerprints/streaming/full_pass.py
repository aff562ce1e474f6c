"""Every value of two checkpoints, once: statistics of each pair of counterparts.

Pairs are cut into segments of a fixed size, which threads take in turn; sums over segments are joined in their order,
so that no number depends on how many threads there are. When a segment is begun, the system is asked to fetch all of
it: the disk and the processor work at the same time, though each thread holds no more than two small blocks.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.util import find_spec
from queue import SimpleQueue
from threading import Event

from threadpoolctl import threadpool_limits

from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import UnreadableTensor
from fingerprints.kernels.block_sums import BlockKernel, Sum, add, largest_change, nothing
from fingerprints.kernels.plain_blocks import PlainBlocks
from fingerprints.pairing import Pair
from fingerprints.readers.in_order import in_order
from fingerprints.signals.tensor_digest import Equality
from fingerprints.streaming.change_spectrum import change_spectrum
from fingerprints.streaming.pair_statistics import PairStatistics, pair_statistics
from fingerprints.streaming.segment import Reader, Segment, SegmentSums

SEGMENT = 1 << 24
"""Elements of a segment."""
AHEAD = 4
"""Segments a thread that are begun or done before the first of them is joined."""
WORTH_COMPILING = 1 << 27
"""Elements from which compiled kernels save more than it takes to load them."""
LATE = "the time limit was reached"


@dataclass(frozen=True, slots=True, kw_only=True)
class PassSettings:
    """With what to work: `device` is `cpu` or a torch device, `deadline` by `time.monotonic`; `spectrum` adds singular
    values of each matrix's change, for which `seed` draws directions.
    """

    device: str = "cpu"
    threads: int = 1
    deadline: float | None = None
    spectrum: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FullPass:
    """Statistics of every pair that could be compared, in the order of the pairs; `left_out` has reasons."""

    statistics: tuple[PairStatistics, ...]
    left_out: tuple[tuple[Pair, str], ...]
    kernel: str


def full_pass(
    pairs: Sequence[Pair],
    a: Checkpoint,
    b: Checkpoint,
    settings: PassSettings,
    advance: Callable[[int], None] = lambda size: None,
) -> FullPass:
    """Compare every value of every pair.

    Parameters
    ----------
    pairs : sequence of Pair
        Counterparts; those of different shapes are left out.
    a, b : Checkpoint
        The two sides.
    settings : PassSettings
        With what.
    advance : callable
        Told how many bytes of both sides are done, from the calling thread.

    Raises
    ------
    CorruptCheckpoint
        When a file changed while it was read.
    """
    left_out = [(pair, reason) for pair in pairs if (reason := _why_not(pair)) is not None]
    excluded = {pair.a.name for pair, _ in left_out}
    taken = [pair for pair in pairs if pair.a.name not in excluded]
    threads = max(1, settings.threads)
    make = _kernel_for(settings.device, sum(pair.a.info.size for pair in taken))
    kernels = [make() for _ in range(threads)]
    stop = Event()
    readers: SimpleQueue[Reader] = SimpleQueue()
    for kernel in kernels:
        readers.put(Reader(kernel, stop))

    def work(segment: Segment) -> SegmentSums | str:
        if settings.deadline is not None and time.monotonic() > settings.deadline:
            return LATE
        reader = readers.get()
        try:
            return reader.add_up(segment, a, b)
        except UnreadableTensor as error:
            return error.message
        finally:
            readers.put(reader)

    def with_spectrum(each: PairStatistics) -> PairStatistics:
        late = settings.deadline is not None and time.monotonic() > settings.deadline
        measurable = len(each.pair.a.shape) > 1 and each.max_abs_change > 0 and not each.nonfinite_a + each.nonfinite_b
        if late or stop.is_set() or not measurable:
            return each
        return replace(each, spectrum=change_spectrum(each.pair, a, b, seed=settings.seed))

    found: list[PairStatistics] = []
    with threadpool_limits(limits=1), ThreadPoolExecutor(max_workers=threads) as pool:
        try:
            for pair, parts in _joined(pool, taken, a, b, work, AHEAD * threads, advance):
                reasons = [part for part in parts if isinstance(part, str)]
                if reasons:
                    left_out.append((pair, reasons[0]))
                else:
                    found.append(_statistics(pair, [part for part in parts if not isinstance(part, str)]))
            if settings.spectrum:
                found = list(pool.map(with_spectrum, found))
        finally:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
    return FullPass(statistics=tuple(found), left_out=tuple(left_out), kernel=kernels[0].name)


def _why_not(pair: Pair) -> str | None:
    """Why two counterparts cannot be compared value by value, if they cannot."""
    if pair.a.shape != pair.b.shape:
        return "the two sides have different shapes"
    if pair.a.info.size == 0:
        return "it is empty"
    if pair.a.info.dtype.startswith("C") != pair.b.info.dtype.startswith("C"):
        return "only one side holds complex numbers"
    return None


def _kernel_for(device: str, elements: int) -> Callable[[], BlockKernel]:
    if device != "cpu":
        from fingerprints.kernels.torch_blocks import TorchBlocks

        return lambda: TorchBlocks(device)
    if elements >= WORTH_COMPILING and find_spec("numba") is not None:
        from fingerprints.kernels.compiled_blocks import CompiledBlocks

        return CompiledBlocks
    return PlainBlocks


def _segments(pair: Pair, a: Checkpoint, b: Checkpoint) -> Iterator[Segment]:
    """The pair in pieces where both sides can be read from anywhere, else as a whole."""
    size = pair.a.info.size
    left, right = in_order(a, pair.a.name), in_order(b, pair.b.name)
    if left is None or right is None:
        yield Segment(pair=pair, start=0, stop=size)
        return
    for start in range(0, size, SEGMENT):
        yield Segment(pair=pair, start=start, stop=min(start + SEGMENT, size), stored=(left, right))


def _joined(
    pool: ThreadPoolExecutor,
    pairs: Sequence[Pair],
    a: Checkpoint,
    b: Checkpoint,
    work: Callable[[Segment], SegmentSums | str],
    ahead: int,
    advance: Callable[[int], None],
) -> Iterator[tuple[Pair, list[SegmentSums | str]]]:
    """Each pair with what its segments came to, in order; `ahead` segments are under way."""
    waiting: deque[tuple[Segment, Future[SegmentSums | str]]] = deque()
    parts: list[SegmentSums | str] = []

    def next_done() -> Iterator[tuple[Pair, list[SegmentSums | str]]]:
        nonlocal parts
        segment, future = waiting.popleft()
        pair = segment.pair
        parts.append(future.result())
        stored = pair.a.info.nbytes + pair.b.info.nbytes
        advance(stored * segment.stop // pair.a.info.size - stored * segment.start // pair.a.info.size)
        if segment.stop == pair.a.info.size:
            yield pair, parts
            parts = []

    for pair in pairs:
        for segment in _segments(pair, a, b):
            waiting.append((segment, pool.submit(work, segment)))
            if len(waiting) >= ahead:
                yield from next_done()
    while waiting:
        yield from next_done()


def _statistics(pair: Pair, parts: Sequence[SegmentSums]) -> PairStatistics:
    total, elements, counts = nothing(), 0, [0, 0, 0, 0, 0]
    highest = parts[0]
    for part in parts:
        if part.total[Sum.PEAK] > highest.total[Sum.PEAK]:
            highest = part
        add(total, part.total)
        elements += part.elements
        counts = [one + other for one, other in zip(counts, part.counts, strict=True)]
    compared, exact, close, lost_a, lost_b = counts
    if pair.a.info.dtype == pair.b.info.dtype:
        close, exact = close - exact + int(total[Sum.EQUAL]), int(total[Sum.EQUAL])
        compared = elements
    equality = Equality(
        compared=compared, exact=exact, close=close, lost_a=lost_a, lost_b=lost_b, complete=compared == elements
    )
    at = 0 if highest.peak is None else highest.peak_start + largest_change(*highest.peak)
    return pair_statistics(pair, elements, total, at, equality)
