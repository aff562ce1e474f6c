"""Matrices that lost their names among others that kept theirs are taken for what their counterparts are."""

from __future__ import annotations

import numpy as np
import pytest

from fingerprints.anatomy import PartKind, build_anatomy
from fingerprints.assignment import assign
from fingerprints.axes import plan_axes
from fingerprints.measurement import MeasureSettings, measure
from fingerprints.pairing import pair_parts
from fingerprints.samples import SampleSettings
from fingerprints.sampling import Half
from tests.checkpoints import llama_shapes, renamed
from tests.in_memory import InMemory, gaussian

LLAMA = gaussian(llama_shapes(layers=2, hidden=64, mlp=96, heads=4, kv_heads=4, vocabulary=128), 0)


def exported(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """As an exporter names them: matrices of layers by number, everything else as it was."""
    return {
        f"val_{place}" if ".layers." in name and each.ndim == 2 else name: each
        for place, (name, each) in enumerate(values.items())
    }


def test_axes_are_known_if_they_are_on_one_side() -> None:
    for first, second in ((LLAMA, exported(LLAMA)), (exported(LLAMA), LLAMA)):
        a, b = InMemory(first), InMemory(second)
        left, right = build_anatomy(a), build_anatomy(b)
        pairs = assign(pair_parts(left, right), a, b).pairing.pairs
        plans = plan_axes(pairs, left, right)
        nameless = [pair for pair in pairs if "val_" in pair.a.name or "val_" in pair.b.name]
        assert len(nameless) == 2 * 7
        for pair in nameless:
            assert pair.a.kind is pair.b.kind is PartKind.MATRIX
            assert pair.a.axes == pair.b.axes
            assert plans[pair.a.name].tests
            assert (pair.a.name in first, pair.b.name in second) == (True, True)


@pytest.mark.parametrize("turned", [False, True])
def test_other_words_change_no_test(turned: bool) -> None:
    """Names that no table knows, on one side: every axis is tested as it would be under the known ones."""
    words = {"model.layers": "trunk.cell", "self_attn": "mixer", "_proj": "x", "mlp": "wide", "layernorm": "scale"}
    rng = np.random.default_rng(1)
    later = {name: (each + 0.01 * rng.standard_normal(each.shape)).astype(np.float32) for name, each in LLAMA.items()}
    other = renamed(later, words)
    found = statistics(other, LLAMA) if turned else statistics(LLAMA, other)
    assert found == (statistics(later, LLAMA) if turned else statistics(LLAMA, later))
    assert max(z for *_, z in found) > 8


def statistics(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> list[tuple[str, str, float]]:
    """Signal, scope and z of every test on the half that searches do not see."""
    left, right = InMemory(a), InMemory(b)
    anatomies = build_anatomy(left), build_anatomy(right)
    pairing = assign(pair_parts(*anatomies), left, right).pairing
    settings = MeasureSettings(sample=SampleSettings(half=Half.TEST), layers=None)
    tests = measure(pairing, anatomies, (left, right), settings).tests
    return sorted((test.signal, test.scope, round(test.statistics.z, 6)) for test in tests)
