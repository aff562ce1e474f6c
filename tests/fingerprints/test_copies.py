"""Experts and layers that repeat each other inside one checkpoint are found."""

from __future__ import annotations

import numpy as np
import pytest

from fingerprints.anatomy import build_anatomy
from fingerprints.axes import plan_axes
from fingerprints.copies import CopyFinder
from fingerprints.pairing import pair_parts
from fingerprints.samples import SampleSettings, read_sample
from tests import architectures
from tests.in_memory import InMemory, gaussian

EXPERT = "model.layers.{layer}.block_sparse_moe.experts.{expert}.w{matrix}.weight"
GROUP = "model.layers: layer {layer}: neurons of expert {expert}"


def copies(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> set[tuple[str, str]]:
    left, right = InMemory(a), InMemory(b)
    anatomies = build_anatomy(left), build_anatomy(right)
    pairing = pair_parts(*anatomies)
    plans = plan_axes(pairing.pairs, *anatomies)
    finder = CopyFinder()
    for pair in pairing.pairs:
        if plan := plans.get(pair.a.name):
            finder.add(read_sample(pair, plan, left, right, SampleSettings()))
    return {tuple(sorted(found)) for found in finder.copies()}


def upcycled(values: dict[str, np.ndarray], noise: float) -> dict[str, np.ndarray]:
    """The first layer's experts start as one dense MLP."""
    rng = np.random.default_rng(5)
    result = dict(values)
    for matrix in (1, 2, 3):
        dense = values[EXPERT.format(layer=0, expert=0, matrix=matrix)]
        for expert in range(3):
            moved = dense + noise * dense.std() * rng.standard_normal(dense.shape)
            result[EXPERT.format(layer=0, expert=expert, matrix=matrix)] = moved.astype(np.float32)
    return result


@pytest.mark.parametrize("side", ["a", "b", "both"])
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_upcycled_experts_on_either_side_are_copies(side: str, noise: float) -> None:
    plain = gaussian(architectures.mixtral(), 0), gaussian(architectures.mixtral(), 1)
    made = [
        upcycled(values, noise) if side in (name, "both") else values for name, values in zip("ab", plain, strict=True)
    ]
    names = [GROUP.format(layer=0, expert=expert) for expert in range(3)]
    assert copies(*made) == {(names[0], names[1]), (names[0], names[2]), (names[1], names[2])}


def test_experts_of_their_own_are_not() -> None:
    values = gaussian(architectures.mixtral(), 0)
    assert copies(values, values) == set()
