"""What is left of a pruned model is the parent's, and the truth says which part of it."""

import json

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from bench.zoo import bases, folder, tokenizer
from bench.zoo.derivatives import depth, editing, pruning, width
from bench.zoo.train import generator

SIZES = {"vocab_size": 512, "hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 4}


@pytest.fixture
def parent(tmp_path, monkeypatch):
    tokens = torch.randint(512, (1000,), generator=generator("text"))
    monkeypatch.setattr(tokenizer, "fine_tuning", lambda: tokens)
    monkeypatch.setattr(tokenizer, "pretraining", lambda: tokens)
    torch.manual_seed(0)
    config = LlamaConfig(**SIZES, num_key_value_heads=2, num_hidden_layers=5, max_position_embeddings=64)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(tmp_path / "parent")
    return tmp_path / "parent"


def made(derivation, parent):
    target = parent.with_name(derivation.name)
    return derivation.make([parent], target), folder.weights(target), folder.config(target)


def named(module, name):
    return next(derivation for derivation in module.DERIVATIONS if derivation.name == name)


def test_two_of_each_four_neighbours_along_the_input_axis_are_kept(parent):
    truth, left, _ = made(named(pruning, "llama-prune-2-4"), parent)
    before = folder.weights(parent)
    pruned = [name for name in left if name.endswith("_proj.weight")]
    assert len(pruned) == 5 * 7
    for name in pruned:
        groups, whole = left[name].unflatten(1, (-1, 4)), before[name].unflatten(1, (-1, 4))
        kept = groups != 0
        assert (kept.sum(dim=2) == 2).all()
        assert torch.equal(groups[kept], whole[kept])
        assert (whole.abs().where(kept, torch.inf).amin(2) >= whole.abs().where(~kept, 0).amax(2)).all()
    assert all(torch.equal(left[name], before[name]) for name in left if name not in pruned)
    assert truth.details["zeros"] == 0.5


def test_magnitude_pruning_keeps_the_largest_of_each_matrix(parent):
    truth, left, _ = made(named(pruning, "llama-prune-90"), parent)
    name = "model.layers.2.mlp.up_proj.weight"
    before, kept = folder.weights(parent)[name], left[name] != 0
    assert kept.float().mean().item() == pytest.approx(0.1, abs=0.01)
    assert before[kept].abs().min() >= before[~kept].abs().max()
    assert truth.kinds == ({"kind": "pruned_unstructured", "sparsity": 0.9},)


def test_kept_neurons_are_rows_of_the_parent(parent):
    truth, left, settings = made(width.fewer_neurons("llama", width.NEURONS, 10), parent)
    before = folder.weights(parent)
    kept = truth.kinds[0]["kept"]
    assert settings["intermediate_size"] == 10
    assert list(kept) == [f"model.layers.{layer}.mlp." for layer in range(5)]
    for start, rows in kept.items():
        assert rows == sorted(set(rows))
        assert torch.equal(left[f"{start}gate_proj.weight"], before[f"{start}gate_proj.weight"][rows])
        assert torch.equal(left[f"{start}down_proj.weight"], before[f"{start}down_proj.weight"][:, rows])


def test_a_narrower_residual_stream_is_the_same_cut_everywhere(parent):
    model = bases.load(parent, width.FAMILIES["llama"])
    kept = width.residual(model, 8)
    before = folder.weights(parent)
    left = width.cut(before, width.RESIDUAL, kept)
    assert {8, 16, 24, 512} == {size for value in left.values() for size in value.shape}
    assert torch.equal(left["model.norm.weight"], before["model.norm.weight"][kept[""]])
    assert torch.equal(left["lm_head.weight"], before["lm_head.weight"][:, kept[""]])


def test_each_key_value_group_loses_as_many_heads(parent):
    kept = width.heads(bases.load(parent, width.FAMILIES["llama"]), 2)
    for rows in kept.values():
        heads = [row // 4 for row in rows[::4]]
        assert rows == [4 * head + index for head in heads for index in range(4)]
        assert [head // 2 for head in heads] == [0, 1]


def test_the_layer_map_names_the_parents_layers(parent):
    truth, left, settings = made(named(depth, "llama-drop-layer"), parent)
    before = folder.weights(parent)
    assert truth.layer_map == (0, 1, 2, 4)
    assert settings["num_hidden_layers"] == 4
    for layer, origin in enumerate(truth.layer_map):
        name = "model.layers.{}.self_attn.q_proj.weight"
        assert torch.equal(left[name.format(layer)], before[name.format(origin)])
    assert all(torch.equal(left[new], before[old]) for old, new in truth.renames.items())
    json.dumps(truth.kinds)


def test_nothing_is_written_along_an_abliterated_direction(parent):
    tensors = {name: value.float() for name, value in folder.weights(parent).items()}
    along = torch.nn.functional.normalize(torch.arange(16.0), dim=0)
    edited = editing.abliterated(tensors, along)
    assert (along @ edited["model.layers.1.mlp.down_proj.weight"]).abs().max() < 1e-6
    assert (edited["model.embed_tokens.weight"] @ along).abs().max() < 1e-6
    assert torch.equal(edited["lm_head.weight"], tensors["lm_head.weight"])
