"""How fast the full pass is, beside two threads that merely read and widen the same files in the same run.

All is warm, in the page cache. Both sides of the ratio are measured in turn, several times, and the median of the
ratios of neighbours counts, so that whatever else the machine does slows both down. Memory is that of a whole
`compare --full` in a process of its own.
"""

from __future__ import annotations

import os
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench import shapes
from bench.command import compared
from bench.outcome import Check, Grid, Outcome
from bench.speed import files, load_notes
from fingerprints.anatomy import build_anatomy
from fingerprints.checkpoint import Checkpoint
from fingerprints.pairing import Pair, pair_parts
from fingerprints.readers import open_checkpoint
from fingerprints.streaming import PassSettings, full_pass

THREADS = 2
CHUNK = 1 << 25
BLOCK = 1 << 17
LEAST_RATIO = 0.6
LARGEST_PEAK = 1.5e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which shapes, and how often each side of the ratio is measured."""

    part: str
    shapes: str
    repeats: int


DEFAULT = Plan(part="full-speed", shapes="150m", repeats=7)
BIG = Plan(part="full-speed-big", shapes="2.5b", repeats=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Wall and processor seconds."""

    wall: float
    processor: float


def timed(work: Any) -> Timing:
    """How long `work()` takes."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return Timing(wall=time.perf_counter() - wall, processor=time.process_time() - processor)


def read_and_widen(paths: Sequence[Path]) -> None:
    """Read bfloat16 files into small blocks and widen these to float32, with two threads and numpy's fastest way."""
    jobs = iter([(path, at) for path in paths for at in range(0, path.stat().st_size, CHUNK)])
    lock = threading.Lock()

    def work() -> None:
        block = np.empty(BLOCK, np.uint8)
        wide, words, half = np.empty(BLOCK // 2, np.uint32), block.view(np.uint32), BLOCK // 4
        while True:
            with lock:
                path, at = next(jobs, (None, 0))
            if path is None:
                return
            with path.open("rb", buffering=0) as file:
                file.seek(at)
                for _ in range(CHUNK // BLOCK):
                    if not file.readinto(block):
                        break
                    np.left_shift(words, np.uint32(16), out=wide[:half])
                    np.bitwise_and(words, np.uint32(0xFFFF0000), out=wide[half:])

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def compare_values(pairs: Sequence[Pair], a: Checkpoint, b: Checkpoint) -> str:
    """The full pass; returns the name of the kernel."""
    return full_pass(pairs, a, b, PassSettings(threads=THREADS)).kernel


def judge(
    plan: Plan, timings: Sequence[tuple[Timing, Timing]], nbytes: int, whole: dict[str, float], kernel: str, load: float
) -> Outcome:
    """Checks and table. `timings` are (read and widen, full pass), `whole` is the command: `seconds`, `peak`."""
    ratios = [plain.wall / full.wall for plain, full in timings]
    processor = statistics.median(plain.processor / full.processor for plain, full in timings)
    ratio = statistics.median(ratios)
    rows = [
        (f"run {number}", _speed(nbytes, plain), _speed(nbytes, full), f"{plain.wall / full.wall:.0%}")
        for number, (plain, full) in enumerate(timings, start=1)
    ]
    checks = [
        Check.at_least("speed of the full pass, of reading and widening", ratio, LEAST_RATIO, "{:.0%}"),
        Check.at_most("peak memory of compare --full", whole["peak"] / 1e9, LARGEST_PEAK / 1e9, "{:.2f} GB"),
    ]
    notes = [
        f"Kernels: {kernel}. In processor time the ratio is {processor:.0%}. The whole command, which also tests a"
        f" sample of every layer, took {whole['seconds']:.1f} s, the pass alone"
        f" {statistics.median(full.wall for _, full in timings):.2f} s.",
        *load_notes(load),
    ]
    return Outcome(
        part=plan.part,
        checks=checks,
        grids=[
            Grid(
                title=f"two checkpoints of {plan.shapes} shapes, {nbytes / 1e9:.1f} GB in all, page cache warm",
                columns=("", "read and widen, GB/s", "full pass, GB/s", "ratio"),
                rows=rows,
            )
        ],
        notes=notes,
        data={"load": load, "bytes": nbytes, "kernel": kernel, "ratios": ratios, "processor_ratio": processor},
    )


def _speed(nbytes: int, timing: Timing) -> str:
    return f"{nbytes / timing.wall / 1e9:.2f}"


def run(plan: Plan = DEFAULT) -> Outcome:
    """Write two random checkpoints, measure, delete them."""
    load = os.getloadavg()[0]
    with shapes.checkpoints(shapes.SHAPES[plan.shapes], (1, 2)) as folders:
        paths = files(folders)
        with open_checkpoint(folders[0]) as a, open_checkpoint(folders[1]) as b:
            pairs = pair_parts(build_anatomy(a), build_anatomy(b)).pairs
            read_and_widen(paths)
            kernel = compare_values(pairs, a, b)
            timings = [
                (timed(lambda: read_and_widen(paths)), timed(lambda: compare_values(pairs, a, b)))
                for _ in range(plan.repeats)
            ]
            nbytes = a.bytes_total + b.bytes_total
        done = compared(folders[0], folders[1], "--full", "--threads", str(THREADS))
        if done.result is None:
            raise RuntimeError(f"the comparison gave no result; it ended with status {done.status}: {done.said}")
    return judge(plan, timings, nbytes, {"seconds": done.seconds, "peak": done.peak}, kernel, load)
