"""Scans that may fetch only so much, by what reaches the Hub."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from provenance.jobs.local import Workers
from provenance.library import Library
from provenance.library.adding import add_path
from provenance.options import Options
from provenance.scan.purse import Allowance
from provenance.scan.row import State
from provenance.scan.scanning import ScanSettings, scan
from tests.provenance.hub.conftest import Serve, serve
from tests.small_models import write_child

__all__ = ["serve"]

SETTINGS = ScanSettings(options=Options(threads=1), workers=Workers.THREADS, jobs=3)


def made(tmp_path: Path, library: Path) -> tuple[Path, dict[str, Path]]:
    index = tmp_path / "index"
    with Library(index, create=True) as filled:
        add_path(filled, library / "second", name="second")
    models = {f"zoo/m{each}": write_child(tmp_path / f"m{each}", library / "second", seed=each) for each in range(8)}
    return index, models


def test_a_scan_that_may_make_so_many_requests_goes_on_later(library: Path, tmp_path: Path, serve: Serve) -> None:
    index, models = made(tmp_path, library)
    hub = serve(models)
    whole = scan(list(models), index, tmp_path / "whole.db", SETTINGS)
    assert {row.base for row in whole} == {"second"}
    assert sum(row.requests for row in whole) == len(hub.asked)
    assert all(row.requests for row in whole)
    # All are looked at first, one request each; then half of them can be decided.
    limit = len(models) + (len(hub.asked) - len(models)) // 2
    hub.asked.clear()
    some = scan(list(models), index, tmp_path / "r.db", replace(SETTINGS, allowance=Allowance(requests=limit)))
    assert len(hub.asked) <= limit
    states = [row.state for row in some]
    assert states.count(State.DONE) >= 3
    assert states.count(State.PENDING) >= 3
    assert State.ERROR not in states
    rows = scan(list(models), index, tmp_path / "r.db", SETTINGS)
    assert [(row.base, row.log10_p, row.state) for row in rows] == [(row.base, row.log10_p, row.state) for row in whole]


def test_a_scan_that_may_fetch_so_many_bytes(library: Path, tmp_path: Path, serve: Serve) -> None:
    index, models = made(tmp_path, library)
    hub = serve(models)
    size = (models["zoo/m0"] / "model.safetensors").stat().st_size
    rows = scan(list(models), index, tmp_path / "r.db", replace(SETTINGS, allowance=Allowance(nbytes=int(3.5 * size))))
    assert sum(stop - start for asked in hub.asked if (span := asked.span) for start, stop in [span]) <= 3.5 * size
    assert {row.state for row in rows} == {State.DONE, State.PENDING}


def test_all_workers_together_ask_so_often(library: Path, tmp_path: Path, serve: Serve) -> None:
    index, models = made(tmp_path, library)
    hub = serve(models)
    settings = replace(SETTINGS, allowance=Allowance(per_minute=900))
    begun = time.monotonic()
    rows = scan(list(models), index, tmp_path / "r.db", settings)
    assert {row.state for row in rows} == {State.DONE}
    times = sorted(asked.at - begun for asked in hub.asked)
    # Fifteen a second: however the three workers share them, so many take so long.
    assert len(times) > 15
    assert all(number <= 15 * at + 0.1 for number, at in enumerate(times, 1))
