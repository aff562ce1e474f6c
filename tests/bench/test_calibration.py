"""The judgement of p-values: passes what is uniform, fails what is not."""

import math
from dataclasses import replace
from random import Random

import pytest

from bench.calibration import judge, uniformity
from bench.comparison import Compared, GroupTest

RANDOM_SEED = 11


def independent(pairs=320, tests=5, power=1.0, relation="independent", extra_hits=0):
    """Comparisons as independent nets give them; `power` > 1 makes T's p-values too small."""
    random = Random(RANDOM_SEED)

    def test(number):
        hits = _fixed_points(random) + extra_hits
        return GroupTest(
            signal="neuron_index",
            subject=f"group {number}",
            units=64,
            z=random.gauss(),
            hits=hits,
            p_statistic=random.random() ** power,
            p_hits=1 / math.factorial(hits),
        )

    return [
        Compared(
            pair=f"pair {number}",
            group=f"group {number % 3}",
            relation=relation,
            clause="",
            seconds=0.1,
            tests=tuple(test(index) for index in range(tests)),
        )
        for number in range(pairs)
    ]


def _fixed_points(random, units=12):
    order = list(range(units))
    random.shuffle(order)
    return sum(order[index] == index for index in range(units))


def failed(outcome):
    return [check.name for check in outcome.checks if not check.passed]


def test_what_independents_give_passes():
    assert failed(judge(independent())) == []


def test_p_values_that_are_too_small_fail_the_checks_of_the_statistic():
    names = failed(judge(independent(power=2.0)))
    assert names == [
        "T, one a pair: KS p against uniform",
        "T, one a pair: p < 0.01",
        "T, the least uniform of 15 subjects: KS p, corrected",
    ]


def test_one_subject_that_strangers_share_fails_though_it_is_rare():
    shared = replace(independent(pairs=1)[0].tests[0], subject="pixels", p_statistic=1e-3)
    comparisons = independent()
    for number in range(0, 12, 3):
        comparisons[number] = replace(comparisons[number], tests=(*comparisons[number].tests, shared))
    outcome = judge(comparisons)
    assert failed(outcome) == ["T, the least uniform of 16 subjects: KS p, corrected"]
    assert outcome.grids[2].rows[0][0] == "group 0, neuron_index: pixels"


def test_combined_tests_are_shown_but_not_counted_with_the_groups_they_combine():
    each = independent(pairs=1)[0]
    combined = replace(each.tests[0], signal="combined")
    both = replace(each, tests=(combined, *each.tests[1:]))
    assert both.groups == each.tests[1:]
    assert replace(each, tests=(combined,)).picked is None


def test_hits_that_are_too_many_fail():
    assert any(name.startswith("F, all") for name in failed(judge(independent(extra_hits=4))))


@pytest.mark.parametrize("relation", ["identical", "derived", "common_origin"])
def test_one_pair_called_related_fails(relation):
    comparisons = [*independent(), *independent(pairs=1, relation=relation)]
    assert failed(judge(comparisons)) == ["pairs called related"]


def test_too_few_pairs_fail():
    assert failed(judge(independent(pairs=299))) == ["pairs compared", "pairs with a test"]


def test_pairs_without_a_test_are_counted_as_such():
    comparisons = [*independent(), *independent(pairs=10, tests=0, relation="inconclusive")]
    outcome = judge(comparisons)
    assert [check.observed for check in outcome.checks[:2]] == ["330", "320"]


def test_the_test_that_stands_for_a_pair_is_fixed_and_differs_between_pairs():
    comparisons = independent(pairs=60)
    assert [each.picked for each in comparisons] == [each.picked for each in independent(pairs=60)]
    assert len({each.picked.subject for each in comparisons}) == 5


def test_uniformity_of_a_grid():
    p, below, most = uniformity([(number + 0.5) / 1000 for number in range(1000)])
    assert p > 0.99
    assert below == 10
    assert most > 10
