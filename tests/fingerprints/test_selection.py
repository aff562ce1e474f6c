"""All of a small pair, an even spread of a deep one, and every vector."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from fingerprints.anatomy import build_anatomy
from fingerprints.axes import plan_axes
from fingerprints.pairing import Pair, pair_parts
from fingerprints.selection import NOT_SAMPLED, select
from tests import architectures
from tests.checkpoints import LLAMA_2_7B, Shapes, llama_shapes
from tests.in_memory import empty


def selected(shapes: Shapes, layers: int | None) -> tuple[list[Pair], list[tuple[Pair, str]], list[Pair]]:
    anatomy = build_anatomy(empty(shapes))
    pairs = pair_parts(anatomy, anatomy).pairs
    return *select(pairs, plan_axes(pairs, anatomy, anatomy), layers), list(pairs)


def test_everything_of_a_small_pair_is_looked_at() -> None:
    kept, left_out, pairs = selected(architectures.clip(), None)
    assert kept == pairs
    assert left_out == []


@pytest.mark.parametrize("layers", [1, 2, 8, 31, 32, 100])
def test_layers_of_a_deep_model_are_thinned_evenly_and_alike(layers: int) -> None:
    kept, left_out, pairs = selected(llama_shapes(**LLAMA_2_7B), layers)
    assert sorted(pair.a.name for pair in [*kept, *(pair for pair, _ in left_out)]) == sorted(p.a.name for p in pairs)
    assert {reason for _, reason in left_out} <= {NOT_SAMPLED}
    chosen = {
        role: tuple(pair.a.layer for pair in kept if pair.a.role == role)
        for role in ("attn_q", "attn_out", "ffn_gate", "ffn_up", "ffn_down")
    }
    (numbers,) = set(chosen.values())
    assert len(numbers) == min(layers, 32)
    if layers > 1:
        assert (numbers[0], numbers[-1]) == (0, 31)
        assert max(b - a for a, b in pairwise(numbers)) <= 31 // (min(layers, 32) - 1) + 1
    assert [pair.a.name for pair in kept] == [pair.a.name for pair in pairs if pair in kept], "the order is kept"


def test_every_vector_and_every_tensor_outside_the_layers_is_kept() -> None:
    kept, _, pairs = selected(llama_shapes(**LLAMA_2_7B), 2)
    names = {pair.a.name for pair in kept}
    assert {pair.a.name for pair in pairs if len(pair.a.shape) == 1} <= names
    assert {"model.embed_tokens.weight", "lm_head.weight"} <= names


def test_experts_are_thinned_inside_every_layer() -> None:
    kept, _, _ = selected(architectures.mixtral(layers=12, experts=16), 4)
    counts = Counter(pair.a.layer for pair in kept if pair.a.role == "ffn_up")
    assert sorted(counts) == [0, 4, 7, 11]
    assert set(counts.values()) == {2}
    experts = {role: [p.a.expert for p in kept if p.a.role == role] for role in ("ffn_gate", "ffn_up", "ffn_down")}
    assert experts["ffn_gate"] == experts["ffn_up"] == experts["ffn_down"]
