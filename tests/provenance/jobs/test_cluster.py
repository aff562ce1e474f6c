"""Work on a real scheduler and real workers, some of which die."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fingerprints.errors import UsageError
from provenance.jobs.category import Category
from provenance.jobs.cluster import Cluster, check_address
from provenance.jobs.engine import Engine, Task
from provenance.jobs.failure import Failure
from tests.provenance.jobs.dask_cluster import dask_cluster
from tests.provenance.jobs.test_engine import behave, wait_in_steps

pytest.importorskip("distributed")
dask = pytest.importorskip("dask")


def process_of(what: str) -> int:
    time.sleep(0.05)
    return os.getpid()


def note_and_linger(note: Path) -> int:
    """Say where this runs; the first time, stay there."""
    first = not note.exists()
    with note.open("a") as file:
        file.write(f"{os.getpid()}\n")
    if first:
        time.sleep(60)
    return os.getpid()


@pytest.mark.slow
def test_a_worker_that_dies_has_its_work_done_by_another(tmp_path: Path) -> None:
    with dask_cluster(tmp_path, workers=2) as dask, Cluster(dask.address) as crew, Engine(crew) as engine:
        crew.client.wait_for_workers(2, timeout=60)
        found = dict(engine.run(Task(work=process_of), [(str(each), str(each)) for each in range(20)]))
        assert set(found.values()) == {worker.pid for worker in dask.workers}
        note = tmp_path / "note"

        def kill() -> None:
            while not note.exists() or not note.read_text().endswith("\n"):
                time.sleep(0.01)
            os.kill(int(note.read_text()), signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        outcomes = list(engine.run(Task(work=note_and_linger), [("long", note)]))
        killer.join()
        first, second = map(int, note.read_text().split())
        assert outcomes == [("long", second)]
        assert first != second


@pytest.mark.slow
def test_failures_and_limits_are_those_of_local_workers_and_a_lost_scheduler_is_said() -> None:
    with Cluster("local:2") as crew, Engine(crew) as engine:
        found = dict(engine.run(Task(work=behave), [("a", "ok"), ("b", "fail"), ("c", "crash"), ("d", "slow")]))
        assert (found["a"], found["d"]) == ("OK", "SLOW")
        assert found["b"] == Failure(target="b", category=Category.FAILED, message="ValueError: no good")
        assert found["c"].category is Category.CRASHED
        found = dict(engine.run(Task(work=wait_in_steps, limit=0.5), [("late", 60.0), ("quick", 0.1)]))
        assert (found["late"].category, found["quick"]) == (Category.TIMEOUT, 0.1)


@pytest.mark.slow
@pytest.mark.parametrize("fresh", [-1.0, 1000.0])
def test_a_scheduler_that_goes_away_ends_the_work_with_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: float
) -> None:
    with dask_cluster(tmp_path, workers=1) as dask, Cluster(dask.address) as crew, Engine(crew) as engine:
        outcomes = engine.run(Task(work=behave), [("a", "ok"), ("b", "slow"), ("c", "slow"), ("d", "slow")])
        assert next(outcomes) == ("a", "OK")
        dask.scheduler.kill()
        # Asked for its workers in between, or only for what became of the work.
        monkeypatch.setattr("provenance.jobs.cluster.FRESH", fresh)
        with pytest.raises(UsageError, match=r"scheduler at .* is gone"):
            list(outcomes)


@pytest.mark.parametrize("address", ["local:0", "local:x", "local:²", "local:99999", "http://x", "somewhere"])
def test_what_is_no_cluster(address: str) -> None:
    with pytest.raises(UsageError, match=r"no cluster|no number"):
        check_address(address)


def hold_everything(what: str) -> str:
    """A search that goes back for hours in C code, and gives no other thread a turn."""
    re.match(r"(?:a+)+b", 40 * "a")
    return what


def wait_for_nothing(what: str) -> str:
    """A read that never ends."""
    end, other = os.pipe()
    os.read(end, 1)
    os.close(other)
    return what


@pytest.mark.slow
@pytest.mark.parametrize("work", [hold_everything, wait_for_nothing])
def test_what_hangs_outside_python_loses_its_worker_and_the_next_one_does_the_rest(work: Callable[[str], str]) -> None:
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}), Cluster("local:1") as crew:
        assert crew.expendable
        begun = time.monotonic()
        with Engine(crew) as engine:
            found = dict(engine.run(Task(work=work, limit=0.5), [("hangs", "x")]))
            assert found["hangs"].category is Category.CRASHED
            assert dict(engine.run(Task(work=behave, limit=60), [("a", "ok")])) == {"a": "OK"}
        assert time.monotonic() - begun < 120
