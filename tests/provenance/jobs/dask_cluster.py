"""A Dask cluster of its own processes: a scheduler, and workers that can be killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


@dataclass
class DaskCluster:
    """A running scheduler. `start` adds a worker: one process with one thread, and nobody who starts it again."""

    address: str
    scheduler: subprocess.Popen[bytes]
    folder: Path
    environment: Mapping[str, str]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        command = [sys.executable, "-m", "distributed.cli.dask_worker", self.address, "--nthreads", "1", "--no-nanny"]
        command += ["--no-dashboard", "--local-directory", str(self.folder)]
        self.workers.append(subprocess.Popen(command, env=self.environment, stderr=subprocess.DEVNULL))


@contextmanager
def dask_cluster(folder: Path, workers: int, **environment: str) -> Iterator[DaskCluster]:
    """Start a scheduler and workers, and end them with the block."""
    everything = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    command = [sys.executable, "-u", "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    command += ["--no-dashboard"]
    with ExitStack() as stack:
        scheduler = subprocess.Popen(command, env=everything, stderr=subprocess.PIPE)
        stack.callback(_end, [scheduler])
        assert scheduler.stderr is not None
        address = next(
            line.split()[-1].decode() for line in scheduler.stderr if b"Scheduler at:" in line and b"tcp://" in line
        )
        cluster = DaskCluster(address, scheduler, folder, everything)
        stack.callback(_end, cluster.workers)
        for _ in range(workers):
            cluster.start()
        yield cluster


def _end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.kill()
    for process in processes:
        process.wait()
        if process.stderr is not None:
            process.stderr.close()
