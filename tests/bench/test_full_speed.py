"""Judging the speed of the full pass, and the plain work it is held against."""

import pytest

from bench import full_speed, shapes
from bench.full_speed import Timing
from bench.zoo.llama import LlamaConfig

TINY = LlamaConfig(layers=1, hidden=64, intermediate=128, heads=2, kv_heads=2, vocabulary=300)


@pytest.mark.parametrize(
    ("seconds", "peak", "failed"),
    [
        (1.5, 1e9, []),
        (2.0, 1e9, ["speed of the full pass, of reading and widening"]),
        (1.5, 1.6e9, ["peak memory of compare --full"]),
    ],
)
def test_limits(seconds, peak, failed):
    timings = [(Timing(wall=1.0, processor=2.0), Timing(wall=seconds, processor=3.0))] * 3
    whole = {"seconds": 9.0, "peak": peak}
    judged = full_speed.judge(full_speed.DEFAULT, timings, 10**9, whole, "compiled", load=0.0)
    assert [check.name for check in judged.checks if not check.passed] == failed
    assert len(judged.notes) == 1


def test_both_sides_read_all_of_both_files(tmp_path, monkeypatch):
    from bench.child import read_so_far

    monkeypatch.setattr(shapes.cache, "root", lambda: tmp_path)
    monkeypatch.setitem(shapes.SHAPES, "tiny", TINY)
    before = read_so_far()
    outcome = full_speed.run(full_speed.Plan(part="full-speed", shapes="tiny", repeats=2))
    assert outcome.data["bytes"] == 2 * shapes.size(TINY)
    assert len(outcome.data["ratios"]) == 2
    if before is not None:
        assert read_so_far() - before >= 6 * outcome.data["bytes"]
