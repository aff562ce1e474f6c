"""Work that fails, hangs and crashes, in real processes."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from provenance.jobs.category import Category
from provenance.jobs.engine import Engine, Task, Workers
from provenance.jobs.failure import Failure


def behave(what: str) -> str:
    """Do what the item says."""
    match what:
        case "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        case "fail":
            raise ValueError("no good")
        case "hang":
            time.sleep(600)
        case "slow":
            time.sleep(0.3)
    return what.upper()


def deaf(what: str) -> str:
    """Code that swallows the exception of a limit."""
    while True:
        try:
            time.sleep(600)
        except Exception:
            continue


ITEMS = [("a", "ok"), ("b", "fail"), ("c", "crash"), ("d", "slow"), ("e", "ok"), ("f", "crash"), ("g", "slow")]


@pytest.mark.slow
def test_every_item_has_one_outcome_whatever_the_others_do() -> None:
    started: list[str] = []
    with Engine(jobs=2) as engine:
        found = list(engine.run(Task(work=behave, started=started.append), ITEMS))
    assert sorted(name for name, _ in found) == [name for name, _ in ITEMS]
    outcomes = dict(found)
    assert [outcomes[name] for name in "adeg"] == ["OK", "SLOW", "OK", "SLOW"]
    assert outcomes["b"] == Failure(target="b", category=Category.FAILED, message="ValueError: no good")
    assert {outcomes[name].category for name in "cf"} == {Category.CRASHED}
    # A crash costs at most what was under way beside it.
    assert len(started) <= len(ITEMS) + 2 * 2
    assert started.count("c") == started.count("f") == 2


@pytest.mark.slow
def test_late_work_is_given_up_and_nothing_else() -> None:
    with Engine(jobs=2) as engine:
        begun = time.monotonic()
        found = dict(engine.run(Task(work=behave, limit=1.0), [("late", "hang"), ("other", "slow")]))
    assert found["other"] == "SLOW"
    assert (found["late"].category, found["late"].message) == (Category.TIMEOUT, "not finished after 1 s")
    assert time.monotonic() - begun < 30


@pytest.mark.slow
def test_work_that_no_exception_reaches_loses_its_process() -> None:
    with Engine(jobs=1) as engine:
        found = dict(engine.run(Task(work=deaf, limit=0.5), [("late", "hang")]))
    assert found["late"].category is Category.TIMEOUT


def note_and_wait(note: Path) -> str:
    """Say which process this is, and stay in it."""
    if note.name == "quick":
        while len(list(note.parent.iterdir())) < 1:
            time.sleep(0.01)
        return "done"
    note.write_text(str(os.getpid()))
    time.sleep(600)
    return "never"


@pytest.mark.slow
def test_an_engine_that_is_left_early_leaves_no_process(tmp_path: Path) -> None:
    begun = time.monotonic()
    with Engine(jobs=2) as engine:
        outcomes = engine.run(Task(work=note_and_wait), [("long", tmp_path / "long"), ("quick", tmp_path / "quick")])
        assert next(iter(outcomes)) == ("quick", "done")
    pid = int((tmp_path / "long").read_text())
    assert not Path(f"/proc/{pid}").exists()
    assert time.monotonic() - begun < 60


def test_threads_do_the_same_work() -> None:
    with Engine(jobs=3, workers=Workers.THREADS) as engine:
        found = dict(engine.run(Task(work=behave), [("a", "ok"), ("b", "fail"), ("d", "slow")]))
    assert (found["a"], found["d"], found["b"].category) == ("OK", "SLOW", Category.FAILED)
