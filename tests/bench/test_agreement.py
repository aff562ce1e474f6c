"""The shipped table of what strangers reach is what the bench measures, and a copy reaches far more."""

from __future__ import annotations

import json

import pytest

from bench.agreement import FEWEST_PAIRS, TABLE, Strangers, base_pairs, measured, rows
from bench.zoo import bases, folder
from provenance.independents import independents
from provenance.thresholds import thresholds

NOISE = 0.02
"""A few neurons whose best counterparts are close may fall otherwise on another machine."""


@pytest.mark.parametrize("models", ["llama", "resnet"])
def test_the_shipped_rows_are_those_of_the_bench(models):
    shipped = [row for row in json.loads(TABLE.read_text())["rows"] if row["models"] == models]
    found = [measured(pair) for pair in base_pairs() if pair.models == models]
    assert sum(each.pair.disguised for each in found) == len(found) / 2
    assert {each.relation for each in found} == {"independent"}
    for row, other in zip(rows(models, found), shipped, strict=True):
        texts = {key for key, value in other.items() if isinstance(value, str)}
        assert {key: row.pop(key) for key in texts} == {key: other.pop(key) for key in texts}
        assert row == pytest.approx(other, abs=NOISE)


def test_no_stranger_comes_near_the_threshold():
    found = independents()
    assert found.neurons.pairs + found.channels.pairs == json.loads(TABLE.read_text())["pairs"]
    assert found.neurons.pairs >= FEWEST_PAIRS
    assert found.neurons.most < thresholds().agreement / 2
    assert found.layers["later"] < thresholds().agreement
    assert found.channels.most < found.layers["channels"] < thresholds().channel_agreement


def test_a_disguised_copy_is_matched_alike():
    file = bases.BASES["gpt2-0"].folder / folder.WEIGHTS
    found = measured(Strangers(models="gpt2", a=file, b=file, family="gpt2", disguised=True))
    assert found.relation == "derived"
    assert min(found.layers) > 0.95
    assert found.median > 0.95
