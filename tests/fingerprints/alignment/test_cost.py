"""Estimates of what searches cost, against what they read."""

from __future__ import annotations

import numpy as np
import pytest

from fingerprints.alignment.alignment import align
from fingerprints.alignment.cost import cost_of_bases, cost_of_maps
from fingerprints.alignment.disguise import undo
from fingerprints.alignment.stacks import facing_stacks
from fingerprints.alignment.tower_search import AlignmentSettings
from fingerprints.anatomy import build_anatomy
from fingerprints.pairing import pair_parts
from tests.checkpoints import LLAMA_2_7B, LLAMA_2_70B, llama_shapes
from tests.in_memory import InMemory, empty, gaussian

NARROW = {"layers": 4, "hidden": 512, "mlp": 1400, "heads": 8, "kv_heads": 4, "vocabulary": 600}
LONG = {"layers": 3, "hidden": 384, "mlp": 4608, "heads": 6, "kv_heads": 6, "vocabulary": 600}


def permuted(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same model with the neurons of every MLP in another order."""
    found = dict(arrays)
    for name in arrays:
        if name.endswith("down_proj.weight"):
            order = np.random.default_rng(len(name)).permutation(arrays[name].shape[1])
            found[name] = arrays[name][:, order]
            for other in ("gate", "up"):
                key = name.replace("down", other)
                found[key] = arrays[key][order]
    return found


@pytest.mark.parametrize("shape", [NARROW, LONG])
def test_a_search_for_maps_reads_what_was_estimated(shape: dict[str, int]) -> None:
    arrays = gaussian(llama_shapes(**shape), 1)
    a, b = InMemory(arrays), InMemory(permuted(arrays))
    anatomies = build_anatomy(a), build_anatomy(b)
    pairing = pair_parts(*anatomies)
    estimate = cost_of_maps(facing_stacks(*anatomies, pairing), 2)
    found = align(anatomies, (a, b), pairing, AlignmentSettings(everywhere=True, layers=2))
    assert found is not None
    assert any(units.meaning == "neuron" and not units.map.is_identity for units in found.towers[0].units)
    assert 0.5 <= (a.bytes_read + b.bytes_read) / estimate.bytes <= 1.5


def test_a_search_for_bases_reads_no_more_than_was_estimated() -> None:
    shapes = llama_shapes(**NARROW)
    a, b = InMemory(gaussian(shapes, 1)), InMemory(gaussian(shapes, 2))
    anatomies = build_anatomy(a), build_anatomy(b)
    pairing = pair_parts(*anatomies)
    estimate = cost_of_bases(facing_stacks(*anatomies, pairing), anatomies, None)
    undo(anatomies, (a, b), pairing, AlignmentSettings(everywhere=True), thorough=True)
    assert 0.1 <= (a.bytes_read + b.bytes_read) / estimate.bytes <= 1.2


def test_estimates_grow_with_the_model_and_fall_with_the_layers() -> None:
    costs = {}
    for name, shape in (("7b", LLAMA_2_7B), ("70b", LLAMA_2_70B)):
        anatomy = build_anatomy(empty(llama_shapes(**shape)))
        facing = facing_stacks(anatomy, anatomy, pair_parts(anatomy, anatomy))
        for layers in (8, 2):
            costs[name, layers] = cost_of_maps(facing, layers), cost_of_bases(facing, (anatomy, anatomy), layers)
    for place in (0, 1):
        assert costs["7b", 2][place].bytes < costs["7b", 8][place].bytes < costs["70b", 8][place].bytes
        assert costs["7b", 2][place].seconds < costs["7b", 8][place].seconds < costs["70b", 8][place].seconds
