"""Measuring other processes, and judging what was measured."""

import json
import subprocess
import sys

import pytest

from bench import child, command, noise, outcome, peer_speed, run, speed
from bench.zoo.cache import REPOSITORY


def measured(tmp_path, code):
    output = tmp_path / "out"
    command = [sys.executable, "-m", "bench.child", "--output", str(output), sys.executable, "-c", code]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return json.loads(done.stdout), output.read_text()


def test_a_command_is_measured(tmp_path):
    numbers, text = measured(tmp_path, "x = bytearray(b'a' * 90_000_000); print('said'); raise SystemExit(3)")
    assert text == "said\n"
    assert numbers["status"] == 3
    assert 90e6 < numbers["peak"] < 300e6
    assert 0 < numbers["seconds"] < 20
    assert 0 < numbers["processor"] < 20


def test_peak_memory_is_that_of_the_command_not_of_the_measurer(tmp_path):
    ballast = bytearray(b"a" * 200_000_000)
    numbers, _ = measured(tmp_path, "pass")
    assert numbers["peak"] < 60e6 < len(ballast)


@pytest.mark.skipif(child.read_so_far() is None, reason="the system does not count bytes read")
def test_bytes_read_are_those_of_the_command(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(bytes(20_000_000))
    numbers, _ = measured(tmp_path, f"import pathlib; pathlib.Path({str(file)!r}).read_bytes()")
    idle, _ = measured(tmp_path, "import pathlib")
    assert numbers["read"] - idle["read"] == pytest.approx(20_000_000, abs=200_000)


def a_run(seconds=2.0, peak=5e8, reported=4, read=4):
    return {
        "seconds": seconds,
        "processor": seconds,
        "peak": peak,
        "read": read,
        "status": 0,
        "relation": "independent",
        "run": {"bytes_read": reported, "bytes_total": 100},
    }


@pytest.mark.parametrize(
    ("numbers", "failed"),
    [
        ({}, []),
        ({"reported": 6}, ["bytes read, by the result"]),
        ({"read": 6}, ["bytes read, by the system"]),
        ({"read": None}, []),
        ({"peak": 1.1e9}, ["peak memory"]),
        ({"seconds": 4.1}, ["time, median"]),
    ],
)
def test_limits(numbers, failed):
    judged = speed.judge(speed.DEFAULT, [2.0], [a_run(**numbers)], load=0.0)
    assert [check.name for check in judged.checks if not check.passed] == failed
    assert judged.passed == (not failed)


def test_a_busy_machine_is_noted_and_excuses_nothing():
    judged = speed.judge(speed.DEFAULT, [2.0, 9.0, 2.0], [a_run(seconds=4.1)], load=1000.0)
    assert "1000.0" in judged.notes[0]
    assert not judged.passed


@pytest.mark.parametrize(
    ("ours", "full", "peak", "failed"),
    [
        (0.9, 3.0, 90, []),
        (1.1, 3.0, 90, ["1.1b, compare: times as fast as peer"]),
        (0.9, 4.0, 90, ["1.1b, compare --full: times as fast as peer"]),
        (0.9, 3.0, 110, ["1.1b, compare: memory, of peer's", "1.1b, compare --full: memory, of peer's"]),
    ],
)
def test_limits_beside_a_peer(ours, full, peak, failed):
    def done(seconds, most):
        return [
            command.Done(status=0, result={}, said="", seconds=seconds, processor=seconds, peak=most, read=None)
            for seconds in (seconds, 99.0, seconds)
        ]

    runs = {"peer": done(10.0, 300), peer_speed.DEFAULT: done(ours, peak), peer_speed.FULL: done(full, peak)}
    judged = peer_speed.judge("peer", {"1.1b": runs}, load=0.0)
    assert [check.name for check in judged.checks if not check.passed] == failed


def test_a_plain_read_reads_everything(tmp_path, monkeypatch):
    monkeypatch.setattr(speed, "BUFFER", 1000)
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_bytes(bytes(250_000))
    before = child.read_so_far()
    assert speed.plain_read(paths) > 0
    if before is not None:
        assert child.read_so_far() - before >= 500_000


def test_noise_is_of_the_share_of_the_deviation_that_was_asked_for(tmp_path):
    from safetensors.torch import load_file

    source = REPOSITORY / "examples" / "tuned"
    exact = load_file(source / "model.safetensors")
    changed = load_file(noise.noisy(source, tmp_path / "noisy", 0.5) / "model.safetensors")
    assert changed.keys() == exact.keys()
    for name, value in exact.items():
        if value.ndim > 1:
            difference = (changed[name].double() - value.double()).std()
            assert difference == pytest.approx(0.5 * value.double().std().item(), rel=0.05)


def test_the_exit_status_says_whether_all_checks_passed(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(outcome.Outcome.write, "__defaults__", (tmp_path,))

    def part(passed):
        check = outcome.Check(name="one", observed="1", required="1", passed=passed)
        return lambda: outcome.Outcome(part="some", checks=[check])

    monkeypatch.setattr(run, "PARTS", {"good": part(True), "bad": part(False)})
    monkeypatch.setattr(sys, "argv", ["bench", "good"])
    assert run.main() == 0
    assert json.loads((tmp_path / "some.json").read_text())["checks"][0]["passed"] is True
    monkeypatch.setattr(sys, "argv", ["bench"])
    assert run.main() == 1
    assert "FAILED" in capsys.readouterr().out
