"""What a comparison of two big checkpoints costs: bytes read, peak memory and time, beside a plain read of both.

The plain read goes through one reused buffer. For the default shapes everything is warm, in the page cache; for the
big ones the files are dropped from it before each measurement.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import shapes
from bench.command import Done, compared
from bench.outcome import Check, Grid, Outcome

BUFFER = 16 * 1024**2
LARGEST_PEAK = 10**9
BUSY = 0.5
"""Load a core above which a note says that times are not to be trusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One measurement: which shapes, how often, and what is allowed. Without `seconds` the limit is half the plain
    read's time and three seconds.
    """

    part: str
    shapes: str
    share: float
    seconds: float | None
    repeats: int
    cold: bool
    free: int = 0


DEFAULT = Plan(part="speed", shapes="3b", share=0.05, seconds=None, repeats=3, cold=False)
BIG = Plan(part="speed-big", shapes="7b", share=0.03, seconds=10.0, repeats=1, cold=True, free=35 * 10**9)


def files(folders: Sequence[Path]) -> list[Path]:
    """All shards of the checkpoints."""
    return [path for folder in folders for path in sorted(folder.glob("*.safetensors"))]


def plain_read(paths: Sequence[Path]) -> float:
    """Seconds that reading the files into one buffer takes."""
    buffer = bytearray(BUFFER)
    start = time.perf_counter()
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass
    return time.perf_counter() - start


def drop(paths: Sequence[Path]) -> None:
    """Take the files out of the page cache."""
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def load_notes(load: float) -> list[str]:
    """What a reader of times has to know of the load average before they were taken; nothing of a quiet machine."""
    if load <= BUSY * (os.cpu_count() or 1):
        return []
    return [f"The load average was {load:.1f} before: other processes were running, so times are too long."]


def judge(plan: Plan, reads: Sequence[float], runs: Sequence[dict[str, Any]], load: float) -> Outcome:
    """Checks and table of the measured plain reads and comparisons; `load` is the machine's load average before."""
    plain = statistics.median(reads)
    seconds = statistics.median(run["seconds"] for run in runs)
    peak = max(run["peak"] for run in runs)
    reported = max(run["run"]["bytes_read"] for run in runs)
    total = runs[0]["run"]["bytes_total"]
    read = max((run["read"] for run in runs if run["read"] is not None), default=None)
    limit = plain / 2 + 3 if plan.seconds is None else plan.seconds
    checks = [
        Check.at_most("bytes read, by the result", reported / total, plan.share, "{:.2%}"),
        Check.at_most("peak memory", peak / 1e9, LARGEST_PEAK / 1e9, "{:.2f} GB"),
        Check.at_most("time, median", seconds, limit, "{:.1f} s"),
    ]
    if read is not None:
        checks.append(Check.at_most("bytes read, by the system", read / total, plan.share, "{:.2%}"))
    rows = [
        (
            f"compare, run {number}",
            f"{run['seconds']:.2f}",
            f"{run['processor']:.2f}",
            f"{run['peak'] / 1e6:.0f}",
            f"{run['run']['bytes_read'] / 1e6:.0f}",
            run["relation"],
        )
        for number, run in enumerate(runs, start=1)
    ]
    plain_row = ("plain read of both, median", f"{plain:.2f}", "", "", f"{total / 1e6:.0f}", "")
    grid = Grid(
        title=f"two checkpoints of {plan.shapes} shapes, page cache {'cold' if plan.cold else 'warm'}",
        columns=("", "s", "processor s", "peak MB", "MB read", "relation"),
        rows=[plain_row, *rows],
    )
    return Outcome(
        part=plan.part,
        checks=checks,
        grids=[grid],
        notes=load_notes(load),
        data={"load": load, "plain_seconds": list(reads), "runs": list(runs)},
    )


def _summary(done: Done) -> dict[str, Any]:
    if done.result is None:
        raise RuntimeError(f"the comparison gave no result; it ended with status {done.status}: {done.said}")
    return {
        "seconds": done.seconds,
        "processor": done.processor,
        "peak": done.peak,
        "read": done.read,
        "relation": done.result["verdict"]["relation"],
        "run": done.result["run"],
    }


def run(plan: Plan = DEFAULT) -> Outcome:
    """Write two random checkpoints, measure, delete them."""
    load = os.getloadavg()[0]
    config = shapes.SHAPES[plan.shapes]
    with shapes.checkpoints(config, (1, 2), free=plan.free) as (a, b):
        paths = files((a, b))
        reads, runs = [], []
        if not plan.cold:
            plain_read(paths)
        for _ in range(plan.repeats):
            if plan.cold:
                drop(paths)
            reads.append(plain_read(paths))
            if plan.cold:
                drop(paths)
            runs.append(_summary(compared(a, b)))
    return judge(plan, reads, runs, load)
