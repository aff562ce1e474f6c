"""The gain in front of a matrix, by architecture."""

from __future__ import annotations

import numpy as np
import pytest

from fingerprints.anatomy import build_anatomy
from fingerprints.gains import GainBook
from tests import architectures
from tests.architectures import D
from tests.checkpoints import Shapes, llama_shapes
from tests.in_memory import InMemory, gaussian

LLAMA = llama_shapes(layers=2, hidden=D, mlp=80, heads=4, kv_heads=4, vocabulary=100)
VIT = "vit.encoder.layer.0"
UP = "model.layers.1.mlp.up_proj.weight"
NORM = "model.layers.1.post_attention_layernorm.weight"


def gain(values: dict[str, np.ndarray], name: str, **how: object) -> np.ndarray | None:
    checkpoint = InMemory(values, **how)
    anatomy = build_anatomy(checkpoint)
    return GainBook(anatomy, checkpoint).gain_before(anatomy.parts[name])


@pytest.mark.parametrize(
    ("shapes", "name", "norm"),
    [
        (LLAMA, UP, NORM),
        (architectures.gpt2(), "transformer.h.1.mlp.c_fc.weight", "transformer.h.1.ln_2.weight"),
        (architectures.falcon(), "transformer.h.1.mlp.dense_h_to_4h.weight", "transformer.h.1.input_layernorm.weight"),
        (architectures.vit(), f"{VIT}.intermediate.dense.weight", f"{VIT}.layernorm_after.weight"),
        (
            LLAMA | {"model.layers.1.pre_feedforward_layernorm.weight": (D,)},
            UP,
            "model.layers.1.pre_feedforward_layernorm.weight",
        ),
    ],
)  # fmt: skip
def test_the_norm_in_front_of_the_mlp(shapes: Shapes, name: str, norm: str) -> None:
    values = gaussian(shapes, 0)
    np.testing.assert_array_equal(gain(values, name), values[norm])


def test_a_post_norm_block_has_no_gain_in_front() -> None:
    assert gain(gaussian(architectures.bert(), 0), "bert.encoder.layer.1.intermediate.dense.weight") is None


def test_gains_stored_around_zero_are_one_more() -> None:
    values = gaussian(LLAMA, 0)
    around_zero = 0.3 * np.random.default_rng(0).standard_normal(D).astype(np.float32)
    np.testing.assert_array_equal(gain(values | {NORM: around_zero}, UP), around_zero + 1)


@pytest.mark.parametrize(
    "spoilt",
    [np.full(D, np.nan, np.float32), np.zeros(D, np.float32), np.full(D, np.inf, np.float32)],
    ids=["not a number", "zero", "infinite"],
)
def test_a_gain_that_makes_no_sense_is_not_folded(spoilt: np.ndarray) -> None:
    assert gain(gaussian(LLAMA, 0) | {NORM: spoilt}, UP) is None


def test_a_gain_that_is_missing_or_cannot_be_read_is_not_folded() -> None:
    values = gaussian(LLAMA, 0)
    assert gain(values, UP, broken=[NORM]) is None
    bare = {name: tensor for name, tensor in values.items() if "layernorm" not in name}
    assert gain(bare, UP) is None
