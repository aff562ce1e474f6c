"""State dicts are named and shaped as the field names them."""

from itertools import pairwise

import pytest

from bench import shapes
from bench.zoo.architectures import ARCHITECTURES
from bench.zoo.demo import RENAMES, renamed
from bench.zoo.llama import Llama, LlamaConfig
from bench.zoo.train import generator


def state(name):
    return ARCHITECTURES[name].build(generator("names")).state_dict()


def test_a_llama_has_the_tensors_that_its_shapes_say():
    config = LlamaConfig(layers=3, hidden=32, intermediate=48, heads=4, kv_heads=2, vocabulary=50)
    built = {name: tuple(value.shape) for name, value in Llama(config, generator("names")).state_dict().items()}
    assert built == shapes.tensors(config)


def test_the_7b_shapes_are_those_of_llama_2():
    tensors = shapes.tensors(shapes.SHAPES["7b"])
    assert len(tensors) == 291
    assert shapes.size(shapes.SHAPES["7b"]) == 2 * 6_738_415_616


@pytest.mark.parametrize(
    ("name", "tensor", "shape"),
    [
        ("bert", "bert.encoder.layer.1.attention.self.query.weight", (64, 64)),
        ("bert", "bert.encoder.layer.0.attention.output.LayerNorm.bias", (64,)),
        ("bert", "bert.embeddings.position_embeddings.weight", (48, 64)),
        ("bert", "cls.predictions.transform.dense.weight", (64, 64)),
        ("gpt2", "transformer.h.1.attn.c_attn.weight", (64, 192)),
        ("gpt2", "transformer.h.0.mlp.c_fc.weight", (64, 128)),
        ("gpt2", "transformer.wpe.weight", (48, 64)),
        ("lstm", "lstm.weight_ih_l0", (160, 24)),
        ("lstm", "lstm.bias_hh_l1", (160,)),
        ("conv", "conv2.weight", (32, 16, 3, 3)),
        ("conv", "bn2.running_var", (32,)),
        ("mlp", "fc2.weight", (96, 96)),
    ],
)
def test_tensors_are_named_as_in_the_field(name, tensor, shape):
    assert tuple(state(name)[tensor].shape) == shape


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_nets_are_small(name):
    size = sum(value.numel() for value in state(name).values()) * ARCHITECTURES[name].dtype.itemsize
    assert 20_000 < size < 200_000


def test_tuned_renames_the_norms_of_a_layer_only():
    assert renamed("model.layers.3.input_layernorm.weight", RENAMES) == "model.layers.3.ln1.weight"
    assert renamed("model.layers.3.post_attention_layernorm.weight", RENAMES) == "model.layers.3.ln2.weight"
    assert renamed("model.norm.weight", RENAMES) == "model.norm.weight"


def test_layer_order_is_numeric():
    names = list(shapes.tensors(LlamaConfig(layers=12)))
    numbers = [int(name.split(".")[2]) for name in names if name.startswith("model.layers.")]
    assert all(a <= b for a, b in pairwise(numbers))
