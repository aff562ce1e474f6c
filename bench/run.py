"""Runs the parts of the bench, prints what they found and writes it to `bench/out/`."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

from rich.console import Console

from bench import agreement, calibration, copy_speed, drift, full_speed, hub, hub_cost, noise, peer_speed, speed
from bench.lineage import run as lineage
from bench.outcome import Outcome
from bench.scanning import scan, tree

PARTS: dict[str, Callable[[], Outcome]] = {
    "calibration": calibration.run,
    "noise": noise.run,
    "agreement": agreement.run,
    "drift": drift.run,
    "lineage": lineage.quick,
    "speed": speed.run,
    "full-speed": full_speed.run,
    "peer-speed": peer_speed.run,
    "scan": partial(scan.run, scan.survival),
    "scan-rates": partial(scan.run, scan.rates),
    "scan-cost": partial(scan.run, scan.cost),
    "tree": tree.run,
    "hub": hub.run,
    "hub-cost": hub_cost.run,
}
ONLY_BY_NAME = ("peer-speed", "scan", "scan-rates", "scan-cost", "tree", "hub", "hub-cost")
"""Parts that install much, or take long."""

WIDTH = 140
"""Columns of the tables where no terminal says how many there are."""


def main() -> int:
    """Run the named parts, by default all that neither install much nor take long; 1 when a check fails."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; by default all but {', '.join(ONLY_BY_NAME)}"
    )
    parser.add_argument("--big", action="store_true", help="only the speeds, on checkpoints of 5 to 14 GB")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.parts) - set(PARTS))
    if unknown:
        parser.error(f"no part is called {', '.join(unknown)}; there are {', '.join(PARTS)}")
    chosen = {name: PARTS[name] for name in arguments.parts or (name for name in PARTS if name not in ONLY_BY_NAME)}
    if arguments.big:
        chosen = {
            "speed-big": lambda: speed.run(speed.BIG),
            "full-speed-big": lambda: full_speed.run(full_speed.BIG),
            "copy-speed": copy_speed.run,
        }
    terminal = Console()
    console = terminal if terminal.is_terminal else Console(width=WIDTH)
    passed = True
    for name, part in chosen.items():
        console.rule(name)
        start = time.perf_counter()
        outcome = part()
        seconds = time.perf_counter() - start
        outcome.show(console)
        console.print(f"{name}: {seconds:.0f} s, written to {outcome.write(seconds)}")
        passed = passed and outcome.passed
    return 0 if passed else 1
