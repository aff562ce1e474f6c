"""What the bench of the Hub makes of answers, and its smallest subset, compared both ways."""

from __future__ import annotations

from dataclasses import replace

from bench import hub
from bench.hub import Both, differences
from bench.lineage.pairs import Pair
from bench.zoo import derive

SAME = Both(pair="a : b", group="relatives", relation="derived", differences=(), requests=8)


def test_every_field_that_differs_is_named() -> None:
    one = {"verdict": {"kinds": [{"kind": "merged"}, {"kind": "renamed", "rules": 2}], "effect": 0.5}, "layers": [1]}
    other = {"verdict": {"kinds": [{"kind": "merged"}, {"kind": "renamed", "rules": 3}], "effect": 0.5}, "layers": []}
    assert list(differences(one, other)) == ["layers", "verdict.kinds[1].rules"]
    assert not list(differences(one, one))


def test_a_difference_fails_the_check_of_its_field() -> None:
    apart = replace(SAME, differences=("verdict.kinds[1].rules",))
    failed = {check.name: check.observed for check in hub.outcome([SAME, apart]).checks if not check.passed}
    assert list(failed.values()) == ["1 of 2", "1 of 2"]
    assert next(iter(failed)).startswith("kinds")
    assert hub.outcome([SAME]).passed


def test_the_zoo_says_the_same_over_a_hub() -> None:
    assert not derive.build(["llama-f16", "llama-ln1"], workers=1)
    names = (("llama-0", "llama-f16"), ("llama-ln1", "llama-0"), ("llama-0", "llama-1"), ("resnet-0", "resnet-1"))
    pairs = [Pair(group="any", transform="any", a=a, b=b, relation="any") for a, b in names]
    found = hub.run(pairs)
    assert found.passed
    told = [(each["relation"], each["requests"] > 0) for each in found.data["pairs"]]
    assert told == [("identical", True), ("identical", True), ("independent", True), ("independent", True)]
