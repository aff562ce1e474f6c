"""Time and memory of a comparison, beside what another tool takes for the same pair in the same run.

All is warm, in the page cache, and runs are taken in turn. A comparison is a process of its own, start of the
interpreter included; so is the peer's, which keeps nothing that it extracted.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
from collections.abc import Mapping, Sequence

from bench import shapes
from bench.command import Done, compared, measured
from bench.outcome import Check, Grid, Outcome
from bench.peers.cisco import CISCO
from bench.peers.environment import Environment
from bench.peers.peer import LINE, OFFLINE, Peer
from bench.speed import files, load_notes, plain_read

SIZES = ("320m", "1.1b")
"""The peer reads and converts every weight, so that the ratio grows with the models."""
REPEATS = 3
LEAST_SPEED, LEAST_FULL_SPEED, LARGEST_MEMORY = 10.0, 3.0, 1 / 3
"""Peer's time over ours by default and with `--full`; our memory over the peer's."""
DEFAULT, FULL = "compare", "compare --full"

Runs = Mapping[str, Sequence[Done]]
"""Runs of the peer and of both ways of comparing, by name."""


def judge(peer: str, sizes: Mapping[str, Runs], load: float) -> Outcome:
    """Checks and a table of the runs at each size."""
    checks: list[Check] = []
    rows: list[tuple[str, ...]] = []
    seconds: dict[str, dict[str, float]] = {}
    peak: dict[str, dict[str, int]] = {}
    for size, runs in sizes.items():
        time = seconds[size] = {name: statistics.median(done.seconds for done in each) for name, each in runs.items()}
        most = peak[size] = {name: max(done.peak for done in each) for name, each in runs.items()}
        for name, least in ((DEFAULT, LEAST_SPEED), (FULL, LEAST_FULL_SPEED)):
            faster, share = f"{size}, {name}: times as fast as {peer}", f"{size}, {name}: memory, of {peer}'s"
            checks += [
                Check.at_least(faster, time[peer] / time[name], least, "{:.1f}"),
                Check.at_most(share, most[name] / most[peer], LARGEST_MEMORY, "{:.2f}"),
            ]
        rows += [(size, name, f"{time[name]:.1f}", f"{most[name] / 1e6:.0f}") for name in runs]
    grid = Grid(
        title=f"one pair a size, page cache warm, {REPEATS} runs each",
        columns=("parameters", "", "s, median", "peak MB"),
        rows=rows,
    )
    data = {"load": load, "seconds": seconds, "peak": peak}
    return Outcome(part="peer-speed", checks=checks, grids=[grid], notes=load_notes(load), data=data)


def run(peer: Peer = CISCO) -> Outcome:
    """Write two random checkpoints of each size, measure, delete them."""
    load = os.getloadavg()[0]
    place = peer.environment()
    if place.missing:
        return Outcome(part="peer-speed", checks=(), notes=[f"{peer.name} was not run: {place.missing}"])
    return judge(peer.name, {size: _measured(size, peer, place) for size in SIZES}, load)


def _measured(size: str, peer: Peer, place: Environment) -> Runs:
    """Runs in turn, after one that only reads.

    Raises
    ------
    RuntimeError
        When one ends without an answer.
    """
    runs: dict[str, list[Done]] = {peer.name: [], DEFAULT: [], FULL: []}
    with shapes.checkpoints(shapes.SHAPES[size], (1, 2)) as (a, b), tempfile.TemporaryDirectory() as home:
        for folder in (a, b):
            for file in peer.needed:
                shutil.copyfile(file, folder / file.name)
        plain_read(files((a, b)))
        script, *arguments = peer.command(str(a), str(b))
        environment = {**OFFLINE, **LINE, "HOME": home}
        for _ in range(REPEATS):
            runs[peer.name].append(measured([str(place.scripts / script), *arguments], environment))
            runs[DEFAULT].append(compared(a, b))
            runs[FULL].append(compared(a, b, "--full"))
    failed = {name: done.said for name, each in runs.items() for done in each if done.result is None}
    if failed:
        raise RuntimeError(f"no answer from {failed}")
    return runs
