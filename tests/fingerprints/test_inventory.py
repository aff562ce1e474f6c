"""What counts, and how often: learned tensors once, tables and copies not at all."""

from __future__ import annotations

import numpy as np
import pytest

from fingerprints.anatomy import build_anatomy
from fingerprints.inventory import Inventory, take_inventory
from tests import architectures
from tests.checkpoints import llama_shapes
from tests.in_memory import InMemory, gaussian

LLAMA = llama_shapes(layers=2, hidden=32, mlp=80, heads=4, kv_heads=4, vocabulary=200)


def inventory(values: dict[str, np.ndarray], **how: object) -> Inventory:
    checkpoint = InMemory(values, **how)
    return take_inventory(build_anatomy(checkpoint), checkpoint)


def test_every_parameter_of_a_trained_model_counts_once() -> None:
    values = gaussian(LLAMA, 0)
    found = inventory(values)
    assert found.learned == {name: tensor.size for name, tensor in values.items()}
    assert found.parameters == sum(tensor.size for tensor in values.values())
    assert (found.set_aside, found.copies, found.unreadable) == ({}, {}, {})


def test_every_tensor_is_in_one_place() -> None:
    values = gaussian(architectures.gpt2() | architectures.resnet() | architectures.neox(), 0)
    values["embed_out.weight"] = values["gpt_neox.embed_in.weight"]
    values["empty.weight"] = np.zeros((0, 4), np.float32)
    found = inventory(values, broken=["transformer.wpe.weight"])
    places = [*found.learned, *found.set_aside, *found.copies, *found.unreadable]
    assert sorted(places) == sorted(values)
    assert found.unreadable.keys() == {"transformer.wpe.weight"}
    assert found.set_aside["bn1.running_mean"] == "it is a running statistic, not a parameter"
    assert found.set_aside["empty.weight"] == "it is empty"


def test_the_buffers_of_old_uploads_are_set_aside() -> None:
    values = gaussian(architectures.neox(), 0)
    for layer in range(2):
        at = f"gpt_neox.layers.{layer}.attention"
        values[f"{at}.bias"] = np.tril(np.ones((1, 1, 64, 64), dtype=np.bool_))
        values[f"{at}.masked_bias"] = np.float32(-1e9)
        values[f"{at}.rotary_emb.inv_freq"] = (10000.0 ** (-np.arange(4) / 4)).astype(np.float32)
    values["embeddings.position_ids"] = np.arange(64)[None]
    assert len(inventory(values).set_aside) == 3 * 2 + 1


def test_integers_of_eight_bytes_are_indices_whatever_they_hold() -> None:
    grid = np.random.default_rng(0).permutation(4096).reshape(64, 64)
    found = inventory({"relative_position_index": grid, "qweight": grid.astype(np.int32)})
    assert found.set_aside.keys() == {"relative_position_index"}
    assert found.learned.keys() == {"qweight"}


@pytest.mark.parametrize("length", [96, 1500])
def test_fixed_positions_are_set_aside_though_only_a_sample_is_read(length: int) -> None:
    angles = np.arange(length)[:, None] * 10000.0 ** (-np.arange(192) / 192)
    values = {"encoder.embed_positions.weight": np.concatenate([np.sin(angles), np.cos(angles)], axis=1)}
    assert inventory(values).set_aside == {"encoder.embed_positions.weight": "it is a table of waves"}


def test_one_layer_that_was_never_trained_does_not_speak_for_the_others() -> None:
    values = gaussian(LLAMA, 0)
    values["model.layers.0.mlp.down_proj.weight"][:] = 0
    assert inventory(values).set_aside == {}


@pytest.mark.parametrize("stored_once", [True, False])
def test_tied_embeddings_count_once(stored_once: bool) -> None:
    values = gaussian(LLAMA, 0)
    values["lm_head.weight"] = values["model.embed_tokens.weight"]
    tied = dict.fromkeys(("lm_head.weight", "model.embed_tokens.weight"), "here") if stored_once else {}
    found = inventory(values, storage=tied)
    assert found.copies == {"lm_head.weight": "model.embed_tokens.weight"}
    assert found.parameters == sum(v.size for v in values.values()) - values["lm_head.weight"].size


def test_a_pair_of_copies_is_found_beside_a_third_table_of_the_same_shape() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((2, 100, 16)).astype(np.float32)
    values = {"encoder.embed_tokens.weight": one, "lm_head.weight": other, "shared.weight": other}
    found = inventory(values)
    assert len(found.copies) == 1
    assert found.parameters == 2 * 1600


def test_equal_layers_are_no_copies() -> None:
    values = gaussian(LLAMA, 0)
    values["model.layers.1.mlp.up_proj.weight"] = values["model.layers.0.mlp.up_proj.weight"]
    assert inventory(values).copies == {}


def test_at_most_a_few_rows_of_a_few_layers_are_read() -> None:
    shapes = llama_shapes(layers=40, hidden=32, mlp=400, heads=4, kv_heads=4, vocabulary=500)
    checkpoint = InMemory(gaussian(shapes, 0))
    take_inventory(build_anatomy(checkpoint), checkpoint)
    assert max(len(rows) for _, rows in checkpoint.taken) <= 80
    assert len({name for name, _ in checkpoint.taken}) < 40
