"""Quantised checkpoints hold the values that they should, and calibrated rounding beats plain rounding."""

import gguf
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.zoo import tokenizer
from bench.zoo.derivatives import calibrated, ggufs
from bench.zoo.derivatives.calibrated import awq_scale, by_awq, gptq
from bench.zoo.derivatives.packing import (
    AWQ_ORDER,
    IN_ORDER,
    pack,
    pack_awq,
    pack_gptq,
    unpack,
    unpack_awq,
    unpack_gptq,
)
from bench.zoo.derivatives.rounding import GROUP, NF4, Affine, affine, int8, nf4
from bench.zoo.families import FAMILIES
from bench.zoo.train import generator


def normal(*shape):
    return torch.randn(shape, generator=generator("packing test", *shape))


def output_error(weight, other, inputs):
    return float((inputs @ (weight - other).T).square().sum())


@given(st.lists(st.lists(st.integers(0, 15), min_size=24, max_size=24), min_size=1, max_size=5))
@pytest.mark.parametrize("order", [IN_ORDER, AWQ_ORDER])
def test_unpacking_undoes_packing(order, codes):
    words = pack(torch.tensor(codes), order)
    assert words.shape == (len(codes), 3)
    assert words.dtype == torch.int32
    assert unpack(words, order).tolist() == codes


def test_words_hold_the_codes_in_the_order_of_their_layout():
    codes = torch.arange(8)
    assert pack(codes).item() == 0x76543210
    assert pack(codes, AWQ_ORDER).item() == 0x75316420
    assert pack(torch.full((8,), 15)).item() == -1


@pytest.mark.parametrize(("pack_matrix", "unpack_matrix"), [(pack_gptq, unpack_gptq), (pack_awq, unpack_awq)])
def test_a_packed_matrix_has_the_same_values(pack_matrix, unpack_matrix):
    codes, zero = (torch.randint(16, shape, generator=generator("codes")).float() for shape in ((24, 96), (24, 3)))
    matrix = Affine(codes=codes, scale=normal(24, 3).abs().half().float(), zero=zero)
    assert set(zero.unique().tolist()) == set(range(16))
    assert torch.equal(unpack_matrix(pack_matrix(matrix)).values(), matrix.values())


def test_packed_shapes_are_those_that_loaders_want():
    matrix = affine(normal(48, 96))
    assert {name: tuple(part.shape) for name, part in pack_gptq(matrix).items()} == {
        "qweight": (12, 48),
        "qzeros": (3, 6),
        "scales": (3, 48),
        "g_idx": (96,),
    }
    assert {name: tuple(part.shape) for name, part in pack_awq(matrix).items()} == {
        "qweight": (96, 6),
        "qzeros": (3, 6),
        "scales": (3, 48),
    }


def test_gptq_of_correlated_inputs_has_less_error_in_the_outputs_than_rounding_to_nearest():
    weight, inputs = normal(32, 96), normal(512, 12) @ normal(12, 96) + 0.1 * normal(512, 96)
    plain, compensated = affine(weight).values(), gptq(weight, inputs).values()
    assert output_error(weight, compensated, inputs) < 0.5 * output_error(weight, plain, inputs)
    assert (weight - compensated).norm() > (weight - plain).norm()


def test_gptq_of_orthogonal_inputs_is_rounding_to_nearest():
    weight = normal(32, 96)
    assert torch.equal(gptq(weight, torch.eye(96)).values(), affine(weight).values())


def test_awq_scales_up_what_reads_large_inputs():
    weight, inputs = normal(32, 96), normal(512, 96)
    inputs[:, ::GROUP] *= 30
    scale = awq_scale([weight], inputs)
    scaled = affine(weight * scale).values() / scale
    assert output_error(weight, scaled, inputs) < 0.7 * output_error(weight, affine(weight).values(), inputs)
    assert scale[::GROUP].min() > scale[1::GROUP].max()


def test_scales_that_awq_folds_leave_the_function_as_it_was(monkeypatch):
    class Unrounded:
        def __init__(self, weight):
            self.weight = weight

        def values(self):
            return self.weight

    model = FAMILIES["llama"].build(0).eval()
    tokens = torch.arange(64).reshape(2, 32)
    with torch.no_grad():
        before = model(tokens).logits
        monkeypatch.setattr(calibrated, "affine", Unrounded)
        monkeypatch.setattr(calibrated, "awq_scale", lambda weights, inputs: 0.5 + normal(inputs.shape[1]).abs())
        weight = model.model.layers[0].mlp.up_proj.weight.clone()
        by_awq(model, tokens)
        torch.testing.assert_close(model(tokens).logits, before, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(model.model.layers[0].mlp.up_proj.weight, weight)


def test_rounding_to_8_bits_moves_no_value_by_more_than_half_a_step():
    weight = normal(16, 8, 3, 3)
    step = weight.abs().amax(dim=(1, 2, 3), keepdim=True) / 127
    assert ((int8(weight) - weight).abs() <= 0.5001 * step).all()
    assert ((int8(weight) / step).round() - int8(weight) / step).abs().max() < 1e-3


def test_nf4_takes_the_nearest_of_its_sixteen_values():
    weight = normal(4, 128)
    blocks, rounded = weight.reshape(-1, 64), nf4(weight).reshape(-1, 64)
    scale = blocks.abs().amax(dim=1, keepdim=True)
    distances = (blocks[..., None] - scale[..., None] * NF4).abs()
    assert torch.equal((blocks - rounded).abs(), distances.amin(-1))


def test_meta_order_puts_the_halves_of_a_rotary_pair_side_by_side():
    assert ggufs.interleaved(np.arange(12), 2).tolist() == [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]


@pytest.mark.parametrize("family", ["llama", "qwen"])
def test_a_gguf_file_holds_the_vocabulary_and_the_values_under_its_own_names(family, tmp_path):
    model = FAMILIES[family].build(0).bfloat16()
    settings = model.config.to_dict()
    tensors = {name: value for name, value in model.state_dict().items() if name != "lm_head.weight"}
    ggufs.write(tmp_path / "model.gguf", tensors, settings, gguf.GGMLQuantizationType.Q8_0)
    reader = gguf.GGUFReader(tmp_path / "model.gguf")
    assert len(reader.fields["tokenizer.ggml.tokens"].contents()) == tokenizer.VOCABULARY
    assert reader.fields["general.architecture"].contents() == settings["model_type"]
    stored = {tensor.name: gguf.dequantize(tensor.data, tensor.tensor_type) for tensor in reader.tensors}
    size = settings["hidden_size"] // settings["num_attention_heads"]
    for name, called in ggufs.names(tensors, settings).items():
        wanted = tensors[name].float().numpy()
        if family == "llama" and name.endswith(("q_proj.weight", "k_proj.weight")):
            pairs = [
                head + half
                for head in range(0, len(wanted), size)
                for pair in range(size // 2)
                for half in (pair, pair + size // 2)
            ]
            wanted = wanted[pairs]
        assert np.abs(stored.pop(called) - wanted).max() <= np.abs(wanted).max() / 250
    assert not stored
