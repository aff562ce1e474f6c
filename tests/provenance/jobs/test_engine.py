"""Work that fails, hangs and crashes, in real processes."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from provenance.jobs.category import Category
from provenance.jobs.engine import Engine, Task
from provenance.jobs.failure import Failure
from provenance.jobs.local import Local, Workers


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

    def admit(what: str) -> str:
        started.append(what)
        return what

    with Engine(Local(2)) as engine:
        found = list(engine.run(Task(work=behave, admit=admit), ITEMS))
    assert sorted(name for name, _ in found) == [name for name, _ in ITEMS]
    outcomes = dict(found)
    assert [outcomes[name] for name in "adeg"] == ["OK", "SLOW", "OK", "SLOW"]
    assert outcomes["b"] == Failure(target="b", category=Category.FAILED, message="ValueError: no good")
    assert {outcomes[name].category for name in "cf"} == {Category.CRASHED}
    # A crash costs at most what was under way beside it.
    assert len(started) <= len(ITEMS) + 2 * 2
    assert started.count("crash") == 2 * 2


@pytest.mark.slow
def test_late_work_is_given_up_and_nothing_else() -> None:
    with Engine(Local(2)) as engine:
        begun = time.monotonic()
        found = dict(engine.run(Task(work=behave, limit=1.0), [("late", "hang"), ("other", "slow")]))
    assert found["other"] == "SLOW"
    assert (found["late"].category, found["late"].message) == (Category.TIMEOUT, "not finished after 1 s")
    assert time.monotonic() - begun < 30


@pytest.mark.slow
def test_work_that_no_exception_reaches_loses_its_process() -> None:
    with Engine(Local(1)) as engine:
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
    with Engine(Local(2)) as engine:
        outcomes = engine.run(Task(work=note_and_wait), [("long", tmp_path / "long"), ("quick", tmp_path / "quick")])
        assert next(iter(outcomes)) == ("quick", "done")
    pid = int((tmp_path / "long").read_text())
    assert not Path(f"/proc/{pid}").exists()
    assert time.monotonic() - begun < 60


def test_threads_do_the_same_work() -> None:
    with Engine(Local(3, Workers.THREADS)) as engine:
        found = dict(engine.run(Task(work=behave), [("a", "ok"), ("b", "fail"), ("d", "slow")]))
    assert (found["a"], found["d"], found["b"].category) == ("OK", "SLOW", Category.FAILED)


def test_late_threads_are_stopped_and_nothing_else() -> None:
    begun = time.monotonic()
    with Engine(Local(2, Workers.THREADS)) as engine:
        items = [("a", 0.0), ("late", 30.0), ("b", 0.05), ("c", 0.1)]
        found = dict(engine.run(Task(work=wait_in_steps, limit=0.5), items))
    assert (found["late"].category, found["late"].message) == (Category.TIMEOUT, "not finished after 0.5 s")
    assert [found[name] for name in "abc"] == [0.0, 0.05, 0.1]
    assert time.monotonic() - begun < 10


def wait_in_steps(seconds: float) -> float:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.01)
    return seconds


def test_what_is_not_admitted_waits_and_is_left_in_the_end() -> None:
    left, under_way = [4], set()

    def admit(name: str) -> str | None:
        if len(under_way) == 2 or not left[0]:
            return None
        left[0] -= 1
        under_way.add(name)
        return name

    done = []
    with Engine(Local(8, Workers.THREADS)) as engine:
        for name, _ in engine.run(Task(work=behave, admit=admit), [(each, each) for each in "abcdef"]):
            under_way.remove(name)
            done.append(name)
    assert sorted(done) == list("abcd")
