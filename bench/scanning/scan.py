"""Scans of a local Hub: right whatever happens, fast where the network is slow, and what a repository costs."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from huggingface_hub import close_session, constants

from bench.outcome import Check, Grid, Outcome
from bench.scanning.town import Town, build, open_town
from bench.zoo.cache import REPOSITORY
from fingerprints.errors import UsageError
from provenance.jobs.local import Workers
from provenance.options import Options, Silent
from provenance.scan.ledger import Ledger
from provenance.scan.row import Row, State
from provenance.scan.scanning import ScanSettings, scan
from tests.provenance.jobs.dask_cluster import dask_cluster

REPOSITORIES, FAULTS = 300, 0.1
KILLS, JOBS = 20, 2
ON_CLUSTER, IN_THREADS = {1: 12, 4: 40}, {1: 8, 16: 56}
"""Targets, by the number of workers."""
MARKS = (50, 500, 2000)
"""Targets after which the memory is compared; so many are scanned."""
SETTINGS = ScanSettings(options=Options(threads=1), workers=Workers.THREADS)


@dataclass
class _Paced(Silent):
    """Notes when the work on targets began, and when each was finished."""

    began: float = 0.0
    times: list[float] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)

    def stage(self, name: str, total: int | None = None, *, in_bytes: bool = False) -> None:
        self.began = time.monotonic()

    def advance(self, steps: int = 1) -> None:
        self.times.append(time.monotonic())
        self.peaks.append(_resident())

    @property
    def rate(self) -> float:
        """Targets a second."""
        return len(self.times) / (self.times[-1] - self.began)


def run(part: Callable[[Path], Outcome]) -> Outcome:
    """One of the parts, in a folder of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        return part(Path(scratch))


def survival(scratch: Path) -> Outcome:
    """A Hub with faults, as a whole, one by one, and killed again and again."""
    town = build(scratch, REPOSITORIES, faults=FAULTS)
    with open_town(town) as (url, _), _reading(url):
        names = list(town.repositories)
        rows = {row.target: row for row in scan(names, town.library, scratch / "whole.db", SETTINGS)}
        alone = _alone(town, names, scratch)
        kills, attempts, lost = _killed(town, names, scratch)
        with Ledger(scratch / "killed.db") as ledger:
            survived = {row.target: row for row in ledger.rows()}
    done = [row for row in rows.values() if row.state is State.DONE]
    wrong = [name for name, row in rows.items() if _answer(row) != town.truth[name]]
    apart = [name for name, row in rows.items() if _verdict(row) != alone[name]]
    after = {
        name: (*_verdict(other), other.message)
        for name, row in rows.items()
        if _verdict(other := survived.get(name, Row(target=name))) != _verdict(row)
    }
    costs = {
        "requests": [row.requests for row in done],
        "KB": [row.bytes_read / 1000 for row in done],
    }
    return Outcome(
        part="scan",
        checks=[
            Check(
                name=f"{len(rows)} repositories, {FAULTS:.0%} of them broken: not as they are in truth",
                observed=str(len(wrong)),
                required="0",
                passed=not wrong and len(rows) == REPOSITORIES,
            ),
            Check(name="not as in runs of one", observed=str(len(apart)), required="0", passed=not apart),
            Check(
                name=f"killed {kills} times: rows lost or changed on the way, or other than without",
                observed=f"{lost}, {len(after)}",
                required="0, 0",
                passed=not lost and not after and len(survived) == len(rows) and kills == KILLS,
            ),
            Check(
                name="attempts at targets, kills included",
                observed=str(attempts),
                required=f"<= {_allowed(town)}",
                passed=attempts <= _allowed(town),
            ),
        ],
        grids=[
            Grid(
                title="a repository costs",
                columns=("", "median", "most"),
                rows=[(name, f"{median(each):.0f}", f"{max(each):.0f}") for name, each in costs.items()],
            ),
            Grid(
                title="how they ended",
                columns=("", "repositories"),
                rows=[(name, str(count)) for name, count in sorted(Counter(map(_ended, rows.values())).items())],
            ),
        ],
        data={"wrong": wrong, "apart": apart, "after": after, "kills": kills, "attempts": attempts},
    )


def rates(scratch: Path) -> Outcome:
    """More workers against one, where every request takes its time."""
    town = build(scratch, 64, models=6, large=True)
    names = list(town.repositories)
    with open_town(town, latency=0.05) as (url, _), _reading(url):
        one, four = (_on_cluster(town, names[:count], workers, scratch) for workers, count in ON_CLUSTER.items())
    with open_town(town, latency=0.2) as (url, _), _reading(url):
        scan(names[-1:], town.library, scratch / "warm.db", SETTINGS)
        single, many = (_in_threads(town, names[:count], threads, scratch) for threads, count in IN_THREADS.items())
    return Outcome(
        part="scan-rates",
        checks=[
            _faster("4 Dask workers against 1, 50 ms a request", one, four, 3.0),
            _faster("16 threads against 1, 200 ms a request", single, many, 8.0),
        ],
        data={"dask": [one, four], "threads": [single, many], "load": os.getloadavg()[0]},
    )


def cost(scratch: Path) -> Outcome:
    """Processor time a repository, and memory over many."""
    town = build(scratch, MARKS[-1])
    names = list(town.repositories)
    paced = _Paced()
    with open_town(town) as (url, _), _reading(url):
        scan(names[:20], town.library, scratch / "warm.db", SETTINGS)
        before = time.process_time()
        scan(names, town.library, scratch / "many.db", replace(SETTINGS, jobs=2), paced)
        processor = (time.process_time() - before) / len(names)
    held = [paced.peaks[mark - 1] for mark in MARKS]
    return Outcome(
        part="scan-cost",
        checks=[
            Check(
                name="processor time a repository",
                observed=f"{1000 * processor:.0f} ms",
                required="<= 150 ms",
                passed=processor <= 0.15,
            ),
            Check(
                name=f"memory after {', '.join(map(str, MARKS))} repositories",
                observed=f"{', '.join(f'{each / 1e6:.0f}' for each in held)} MB",
                required="no more than 5 % more than at first",
                passed=max(held) <= 1.05 * held[0],
            ),
        ],
        data={"processor": processor, "held": held, "memory": paced.peaks[::100]},
    )


@contextmanager
def _reading(url: str) -> Iterator[None]:
    """Have this process, and those that it starts, read from a Hub."""
    template = f"{url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    wanted = {"ENDPOINT": url, "HUGGINGFACE_CO_URL_TEMPLATE": template, "HF_HUB_OFFLINE": False}
    before = {name: getattr(constants, name) for name in wanted}
    inherited = dict(os.environ)
    os.environ |= {"HF_ENDPOINT": url, "HF_HUB_OFFLINE": "0", "PYTHONPATH": str(REPOSITORY)}
    for name, value in wanted.items():
        setattr(constants, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(constants, name, value)
        os.environ.clear()
        os.environ |= inherited
        close_session()


def _alone(town: Town, names: Sequence[str], scratch: Path) -> dict[str, tuple[Any, ...]]:
    """What runs with one target each find."""
    found = {}
    for number, name in enumerate(names):
        (row,) = scan([name], town.library, scratch / f"alone-{number}.db", SETTINGS)
        found[name] = _verdict(row)
    return found


def _killed(town: Town, names: Sequence[str], scratch: Path) -> tuple[int, int, int]:
    """Kill a scan at random moments until it was killed often enough, then let it end; kills, attempts, rows lost."""
    listed, results = scratch / "list.txt", scratch / "killed.db"
    listed.write_text("".join(f"{name}\n" for name in names))
    command = [sys.executable, "-m", "cli.main", "scan", f"@{listed}", "--library", str(town.library)]
    command += ["--results", str(results), "--jobs", str(JOBS), "--quiet"]
    chance, kills, lost = random.Random(7), 0, 0
    before: dict[str, Row] = {}
    while kills < KILLS and len(before) < len(names):
        counted = _finished(results)
        with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL) as process:
            # Somewhere in the work, not in the start of the interpreter: after the first rows, or the next ones.
            while process.poll() is None and _finished(results) < min(counted + chance.randrange(1, 20), len(names)):
                time.sleep(chance.uniform(0.01, 0.2))
            if process.poll() is None:
                time.sleep(chance.uniform(0.0, 0.3))
                os.kill(process.pid, signal.SIGKILL)
        kills += process.returncode == -signal.SIGKILL
        with Ledger(results) as ledger:
            now = {row.target: row for row in ledger.rows()}
        decided = {name: row for name, row in now.items() if row.state is not State.PENDING}
        lost += sum(decided.get(name) != row for name, row in before.items()) + (list(now) != list(names))
        before = decided
    subprocess.run(command, cwd=REPOSITORY, check=True)
    with Ledger(results) as ledger:
        rows = list(ledger.rows())
    lost += sum(row.state is State.PENDING for row in rows) + ([row.target for row in rows] != list(names))
    return kills, sum(row.attempts for row in rows), lost


def _finished(results: Path) -> int:
    """Rows that are decided."""
    try:
        with Ledger(results) as ledger:
            counts = ledger.counts()
    except UsageError:
        return 0
    return counts.get(State.DONE, 0) + counts.get(State.ERROR, 0)


def _on_cluster(town: Town, names: Sequence[str], workers: int, scratch: Path) -> float:
    """Targets a second by so many workers behind a real scheduler, once they have loaded what they need."""
    paced = _Paced()
    (folder := scratch / f"workers-{workers}").mkdir()
    with dask_cluster(folder, workers) as dask:
        settings = replace(SETTINGS, cluster=dask.address)
        scan(names[: 2 * workers], town.library, folder / "warm.db", settings)
        scan(names[2 * workers :], town.library, folder / "results.db", settings, paced)
    return paced.rate


def _in_threads(town: Town, names: Sequence[str], threads: int, scratch: Path) -> float:
    """Targets a second by so many threads of this process."""
    paced = _Paced()
    scan(names, town.library, scratch / f"threads-{threads}.db", replace(SETTINGS, jobs=threads), paced)
    return paced.rate


def _faster(name: str, one: float, many: float, times: float) -> Check:
    return Check(
        name=name,
        observed=f"{many:.2f}/s against {one:.2f}/s: {many / one:.1f} times",
        required=f">= {times:g} times",
        passed=many >= times * one,
    )


def _answer(row: Row) -> str:
    return f"!{row.error}" if row.error is not None else row.base or ""


def _verdict(row: Row) -> tuple[Any, ...]:
    return row.state, row.error, row.relation, row.base, row.kinds, row.claim, row.log10_p, row.effect


def _ended(row: Row) -> str:
    return str(row.error or row.relation or "no relative")


def _allowed(town: Town) -> int:
    """Once each, and what was under way at every kill."""
    return len(town.repositories) + KILLS * JOBS


def _resident() -> int:
    """Bytes of memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
