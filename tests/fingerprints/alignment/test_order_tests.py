"""Units that a search brings out in order: exact on strangers whatever they share, and awake on copies."""

from __future__ import annotations

import numpy as np
import pytest

from fingerprints.alignment.alignment import align
from fingerprints.alignment.order_tests import order_tests
from fingerprints.alignment.tower_search import AlignmentSettings
from fingerprints.anatomy import build_anatomy
from fingerprints.groups import AxisTest, Untested
from fingerprints.pairing import pair_parts
from tests.checkpoints import llama_shapes
from tests.in_memory import InMemory

Values = dict[str, np.ndarray]
LAYERS, WIDTH, NEURONS = 2, 64, 160
SHAPES = llama_shapes(layers=LAYERS, hidden=WIDTH, mlp=NEURONS, heads=4, kv_heads=4, vocabulary=200)


def model(seed: int) -> Values:
    """Values as training leaves them: units of unequal norms in no order."""
    rng = np.random.default_rng(seed)
    return {
        name: (
            rng.standard_normal(shape)
            * (
                np.exp(0.3 * rng.standard_normal((shape[0], 1)) + 0.3 * rng.standard_normal((1, shape[1])))
                if len(shape) == 2
                else 0.1
            )
            + (len(shape) == 1)
        ).astype(np.float32)
        for name, shape in SHAPES.items()
    }


def with_neurons(values: Values, chosen: np.ndarray) -> Values:
    found = dict(values)
    for name, value in values.items():
        if "gate_proj" in name or "up_proj" in name:
            found[name] = value[chosen]
        elif "down_proj" in name:
            found[name] = value[:, chosen]
    return found


def sought(a: Values, b: Values) -> tuple[list[AxisTest], list[Untested]]:
    sides = InMemory(a), InMemory(b)
    anatomies = build_anatomy(sides[0]), build_anatomy(sides[1])
    found = align(anatomies, sides, pair_parts(*anatomies), AlignmentSettings(everywhere=True))
    return ([], []) if found is None else order_tests(found)


def test_kept_neurons_come_in_order() -> None:
    kept = np.sort(np.random.default_rng(1).permutation(NEURONS)[:60])
    tests, untested = sought(model(0), with_neurons(model(0), kept))
    assert [test.layer for test in tests] == [0, 1]
    assert not untested
    for test in tests:
        assert test.exact
        assert test.statistics.effect == 1.0
        assert test.log10_p < -70


def test_shuffled_copies_show_no_order() -> None:
    """What was matched is the same neurons; their order is a draw of the null, so that p-values are valid."""
    found = []
    for seed in range(30):
        order = np.random.default_rng(seed).permutation(NEURONS)
        tests, _ = sought(model(0), with_neurons(model(0), order))
        assert len(tests) == LAYERS
        found += [test.log10_p for test in tests]
    assert min(found) > -3
    assert np.mean(np.array(found) < -1) <= 0.2


def test_strangers_under_one_table_have_no_matches() -> None:
    """The same embedding and gains; layers of their own."""
    shared = {name: value for name, value in model(0).items() if "layers" not in name or value.ndim == 1}
    for seed in range(5):
        tests, _ = sought(model(2 * seed + 1) | shared, model(2 * seed + 2) | shared)
        assert all(test.log10_p > -6 for test in tests)


@pytest.mark.parametrize("part", ["gate_proj", "up_proj", "down_proj"])
def test_neurons_sorted_by_how_much_they_matter_are_not_tested(part: str) -> None:
    """On both sides, by the norms of any matrix: their numbers then say something about strangers too."""

    def ordered(values: Values) -> Values:
        norms = np.linalg.norm(values[f"model.layers.0.mlp.{part}.weight"], axis=int(part != "down_proj"))
        return with_neurons(values, np.argsort(norms))

    rng = np.random.default_rng(5)
    near = {name: value + 0.05 * rng.standard_normal(value.shape, np.float32) for name, value in model(0).items()}
    tests, untested = sought(ordered(model(0)), ordered(near))
    assert [each.subject for each in untested] == ["model.layers: layer 0: order of the neurons"]
    assert 0 not in {test.layer for test in tests}
    one_sided, _ = sought(ordered(model(0)), near)
    assert {test.layer for test in one_sided} == {0, 1}
