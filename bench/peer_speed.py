"""Time and memory of a comparison, beside what another tool takes for the same pair in the same run.

All is warm, in the page cache, and runs are taken in turn. A comparison is a process of its own, start of the
interpreter included; so is the peer's, which keeps nothing that it extracted.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile

from bench import shapes
from bench.command import Done, compared, measured
from bench.outcome import Check, Grid, Outcome
from bench.peers.cisco import CISCO
from bench.peers.peer import LINE, OFFLINE, Peer
from bench.speed import files, load_notes, plain_read

SHAPES = "320m"
REPEATS = 3
LEAST_SPEED, LEAST_FULL_SPEED, LARGEST_MEMORY = 10.0, 3.0, 1 / 3
"""Peer's time over ours by default and with `--full`; our memory over the peer's."""
DEFAULT, FULL = "compare", "compare --full"


def judge(peer: str, runs: dict[str, list[Done]], load: float) -> Outcome:
    """Checks and table; `runs` are those of `peer` and of both ways of comparing, by name."""
    seconds = {name: statistics.median(done.seconds for done in each) for name, each in runs.items()}
    peak = {name: max(done.peak for done in each) for name, each in runs.items()}
    checks = [
        Check.at_least(f"{name}: times as fast as {peer}", seconds[peer] / seconds[name], least, "{:.1f}")
        for name, least in ((DEFAULT, LEAST_SPEED), (FULL, LEAST_FULL_SPEED))
    ]
    checks += [
        Check.at_most(f"{name}: memory, of {peer}'s", peak[name] / peak[peer], LARGEST_MEMORY, "{:.2f}")
        for name in (DEFAULT, FULL)
    ]
    rows = [(name, f"{seconds[name]:.1f}", f"{peak[name] / 1e6:.0f}") for name in runs]
    return Outcome(
        part="peer-speed",
        checks=checks,
        grids=[
            Grid(
                title=f"one pair of {SHAPES} shapes, page cache warm, {REPEATS} runs each",
                columns=("", "s, median", "peak MB"),
                rows=rows,
            )
        ],
        notes=load_notes(load),
        data={"load": load, "seconds": seconds, "peak": peak},
    )


def run(peer: Peer = CISCO) -> Outcome:
    """Write two random checkpoints, measure, delete them."""
    load = os.getloadavg()[0]
    place = peer.environment()
    if place.missing:
        return Outcome(part="peer-speed", checks=(), notes=[f"{peer.name} was not run: {place.missing}"])
    with shapes.checkpoints(shapes.SHAPES[SHAPES], (1, 2)) as (a, b), tempfile.TemporaryDirectory() as home:
        for folder in (a, b):
            for file in peer.needed:
                shutil.copyfile(file, folder / file.name)
        plain_read(files((a, b)))
        script, *arguments = peer.command(str(a), str(b))
        environment = {**OFFLINE, **LINE, "HOME": home}
        runs: dict[str, list[Done]] = {peer.name: [], DEFAULT: [], FULL: []}
        for _ in range(REPEATS):
            runs[peer.name].append(measured([str(place.scripts / script), *arguments], environment))
            runs[DEFAULT].append(compared(a, b))
            runs[FULL].append(compared(a, b, "--full"))
    failed = {name: done.said for name, each in runs.items() for done in each if done.result is None}
    if failed:
        raise RuntimeError(f"no answer from {failed}")
    return judge(peer.name, runs, load)
