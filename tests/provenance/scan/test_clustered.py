"""Scans by the workers of a real Dask cluster."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from fingerprints.errors import UsageError
from provenance.fingerprinting import fingerprint
from provenance.jobs.local import Workers
from provenance.library import Library
from provenance.library.adding import add_path
from provenance.options import Options
from provenance.scan.ledger import Ledger
from provenance.scan.row import Row, State
from provenance.scan.scanning import ScanSettings, scan
from tests.provenance.hub.conftest import Serve, serve
from tests.provenance.hub.server import Asked, Handler
from tests.provenance.jobs.dask_cluster import dask_cluster
from tests.small_models import write_child, write_model

__all__ = ["serve"]
pytest.importorskip("distributed")
SETTINGS = ScanSettings(options=Options(threads=1), workers=Workers.THREADS)


def seen(rows: list[Row]) -> list[tuple[object, ...]]:
    return [(row.target, row.state, row.relation, row.base, row.log10_p, row.error, row.requests) for row in rows]


@contextmanager
def only_here(folder: Path) -> Iterator[Path]:
    """A name for a folder that means nothing in any other process."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        yield Path("/proc/self/fd", str(opened))
    finally:
        os.close(opened)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
def test_the_library_reaches_the_workers_and_a_dead_one_loses_nothing(
    library: Path, tmp_path: Path, serve: Serve
) -> None:
    bases = {"second": library / "second", "acme/first": library / "acme" / "first"}
    index = tmp_path / "index"
    with Library(index, create=True) as filled:
        for name, path in bases.items():
            # Fingerprints alone, as workers get them.
            (tmp_path / "f.safetensors").write_bytes(fingerprint(path)[0])
            add_path(filled, tmp_path / "f.safetensors", name=name)
    models = {
        f"zoo/m{number}": write_child(tmp_path / f"m{number}", bases[("second", "acme/first")[number % 2]], seed=number)
        for number in range(12)
    } | {"zoo/stranger": write_model(tmp_path / "stranger", seed=99)}

    def slow(handler: Handler, path: Path, asked: Asked) -> bool:
        time.sleep(0.02)
        return False

    hub = serve(models, faults=[slow])
    targets = [*models, "zoo/none"]
    alone = scan(targets, index, tmp_path / "alone.db", SETTINGS)
    with dask_cluster(tmp_path, 2, HF_ENDPOINT=hub.url, HF_HUB_OFFLINE="0") as dask, only_here(index) as hidden:
        settings = replace(SETTINGS, cluster=dask.address)

        def kill_one_half_way() -> None:
            finished, latest = 0, time.monotonic() + 120
            while finished < 3 and time.monotonic() < latest:
                time.sleep(0.05)
                # There may be no file yet, or one without its tables.
                with suppress(UsageError), Ledger(tmp_path / "r.db") as ledger:
                    finished = ledger.counts().get(State.DONE, 0)
            os.kill(dask.workers[0].pid, signal.SIGKILL)

        killer = threading.Thread(target=kill_one_half_way)
        killer.start()
        rows = scan(targets, hidden, tmp_path / "r.db", settings)
        killer.join()
        assert dask.workers[0].wait(timeout=60) == -signal.SIGKILL
        assert dask.workers[1].poll() is None
    assert seen(rows) == seen(alone)
    assert {row.base for row in rows} == {*bases, None}
    assert [row.target for row in rows] == targets


@pytest.mark.slow
def test_processes_behind_a_scheduler_of_their_own(library: Path, models: Path, tmp_path: Path) -> None:
    targets = [str(path) for path in sorted(models.iterdir())]
    alone = scan(targets, library, tmp_path / "alone.db", SETTINGS)
    assert seen(scan(targets, library, tmp_path / "r.db", replace(SETTINGS, cluster="local:2"))) == seen(alone)


def test_nobody_answers(library: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provenance.jobs.cluster.PATIENCE", 1.0)
    settings = replace(SETTINGS, cluster="tcp://127.0.0.1:9")
    with pytest.raises(UsageError, match="no scheduler with workers answers"):
        scan([str(models / "silent")], library, tmp_path / "r.db", settings)
