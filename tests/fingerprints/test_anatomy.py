"""Every tensor in its place, told from the names and shapes of real families."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprints.anatomy import Anatomy, PartKind, build_anatomy, split_leaf
from fingerprints.roles import match_role
from fingerprints.templates import natural_key
from tests import architectures
from tests.architectures import D, N, V
from tests.checkpoints import FIRST_YI_NAMES, LLAMA_2_70B, YI_34B, Shapes, llama_shapes, renamed
from tests.in_memory import empty

HEAD, NEURON = ("head", "residual"), ("neuron", "residual")
LLAMA = {"layers": 2, "hidden": D, "mlp": N, "heads": 4, "kv_heads": 2, "vocabulary": V}


def anatomy_of(shapes: Shapes, prefix: str = "") -> Anatomy:
    return build_anatomy(empty(shapes), prefix=prefix)


def place(anatomy: Anatomy, name: str) -> tuple[str | None, str, int | None, tuple[str, ...], bool]:
    part = anatomy.parts[name]
    return part.role, part.tower, part.layer, part.axes, part.transposed


LLAMA_PLACES = {
    "model.embed_tokens.weight": ("token_embd", "model.layers", None, ("vocabulary", "residual"), False),
    "model.layers.1.self_attn.q_proj.weight": ("attn_q", "model.layers", 1, HEAD, False),
    "model.layers.1.self_attn.k_proj.weight": ("attn_k", "model.layers", 1, HEAD, False),
    "model.layers.1.self_attn.v_proj.weight": ("attn_v", "model.layers", 1, HEAD, False),
    "model.layers.1.self_attn.o_proj.weight": ("attn_out", "model.layers", 1, HEAD[::-1], False),
    "model.layers.1.mlp.gate_proj.weight": ("ffn_gate", "model.layers", 1, NEURON, False),
    "model.layers.1.mlp.up_proj.weight": ("ffn_up", "model.layers", 1, NEURON, False),
    "model.layers.1.mlp.down_proj.weight": ("ffn_down", "model.layers", 1, NEURON[::-1], False),
    "model.layers.1.input_layernorm.weight": ("attn_norm", "model.layers", 1, ("residual",), False),
    "model.layers.1.post_attention_layernorm.weight": ("ffn_norm", "model.layers", 1, ("residual",), False),
    "model.norm.weight": ("output_norm", "model.layers", None, ("residual",), False),
    "lm_head.weight": ("output", "model.layers", None, ("vocabulary", "residual"), False),
}


@pytest.mark.parametrize(
    "config", [LLAMA, LLAMA_2_70B | {"layers": 2}, YI_34B | {"layers": 2}], ids=["small", "70B", "34B"]
)
def test_a_llama(config: dict[str, int]) -> None:
    anatomy = anatomy_of(llama_shapes(**config))
    assert {name: place(anatomy, name) for name in LLAMA_PLACES} == LLAMA_PLACES
    tower = anatomy.towers["model.layers"]
    assert (tower.residual, tower.neurons, tower.layers) == (config["hidden"], config["mlp"], (0, 1))
    assert (tower.input_first, tower.fused) == (False, False)
    keys = config["hidden"] // config["heads"] * config["kv_heads"]
    expected = {"residual": config["hidden"], "mlp": config["mlp"], "vocabulary": config["vocabulary"], "layers": 2}
    assert anatomy.dimensions == expected | {"queries": config["hidden"], "keys": keys}


def test_the_norms_of_the_first_yi_upload_have_the_roles_of_llamas() -> None:
    anatomy = anatomy_of(renamed(llama_shapes(**LLAMA), FIRST_YI_NAMES))
    llama = "model.layers.1.input_layernorm.weight", "model.layers.1.post_attention_layernorm.weight"
    yi = "model.layers.1.ln1.weight", "model.layers.1.ln2.weight"
    assert [place(anatomy, name) for name in yi] == [LLAMA_PLACES[name] for name in llama]


@pytest.mark.parametrize("wrapper", ["module.", "base_model.model.", "llm."])
def test_wrappers_move_the_tower_and_nothing_else(wrapper: str) -> None:
    anatomy = anatomy_of(llama_shapes(**LLAMA, prefix=wrapper))
    for name, (role, tower, layer, axes, transposed) in LLAMA_PLACES.items():
        assert place(anatomy, wrapper + name) == (role, wrapper + tower, layer, axes, transposed)


@pytest.mark.parametrize("prefix", ["transformer.", ""])
def test_gpt2_stores_inputs_first(prefix: str) -> None:
    anatomy = anatomy_of(architectures.gpt2(prefix=prefix))
    tower = f"{prefix}h"
    expected = {
        "h.1.attn.c_attn.weight": ("attn_qkv", tower, 1, HEAD[::-1], True),
        "h.1.attn.c_proj.weight": ("attn_out", tower, 1, HEAD, True),
        "h.1.mlp.c_fc.weight": ("ffn_up", tower, 1, NEURON[::-1], True),
        "h.1.mlp.c_proj.weight": ("ffn_down", tower, 1, NEURON, True),
        "h.1.mlp.c_fc.bias": ("ffn_up", tower, 1, ("neuron",), False),
        "h.1.ln_2.bias": ("ffn_norm", tower, 1, ("residual",), False),
        "wte.weight": ("token_embd", tower, None, ("vocabulary", "residual"), False),
        "wpe.weight": ("position_embd", tower, None, ("position", "residual"), False),
        "ln_f.weight": ("output_norm", tower, None, ("residual",), False),
    }
    assert {name: place(anatomy, prefix + name) for name in expected} == expected
    assert anatomy.towers[tower].input_first
    assert anatomy.parts[f"{prefix}h.1.attn.bias"].role is None, "a causal mask is not the bias of a module"


@pytest.mark.parametrize("glued", ["h{}.", "h_{:02}.", "layer{}."])
def test_numbers_glued_to_words_change_no_role(glued: str) -> None:
    shapes = architectures.gpt2(layers=6)
    becomes = {name: re.sub(r"h\.(\d)\.", lambda found: glued.format(int(found[1])), name) for name in shapes}
    plain, found = anatomy_of(shapes), anatomy_of({becomes[name]: shape for name, shape in shapes.items()})
    assert len(found.towers) == 1
    for name, part in plain.parts.items():
        other = found.parts[becomes[name]]
        assert (other.role, other.layer, other.axes) == (part.role, part.layer, part.axes)


def test_the_first_qwen_has_gpt2s_names_and_ordinary_matrices() -> None:
    anatomy = anatomy_of(architectures.qwen1())
    expected = {
        "transformer.h.0.attn.c_attn.weight": ("attn_qkv", "transformer.h", 0, HEAD, False),
        "transformer.h.0.attn.c_proj.weight": ("attn_out", "transformer.h", 0, HEAD[::-1], False),
        "transformer.h.0.mlp.w1.weight": ("ffn_up", "transformer.h", 0, NEURON, False),
        "transformer.h.0.mlp.w2.weight": ("ffn_gate", "transformer.h", 0, NEURON, False),
        "transformer.h.0.mlp.c_proj.weight": ("ffn_down", "transformer.h", 0, NEURON[::-1], False),
    }
    assert {name: place(anatomy, name) for name in expected} == expected
    assert not anatomy.towers["transformer.h"].input_first


@pytest.mark.parametrize("prefix", ["bert.", "roberta.", ""])
def test_bert_and_roberta(prefix: str) -> None:
    anatomy = anatomy_of(architectures.bert(prefix=prefix))
    tower = f"{prefix}encoder.layer"
    expected = {
        "embeddings.word_embeddings.weight": ("token_embd", tower, None, ("vocabulary", "residual"), False),
        "embeddings.position_embeddings.weight": ("position_embd", tower, None, ("position", "residual"), False),
        "embeddings.token_type_embeddings.weight": ("token_types", tower, None, ("class", "residual"), False),
        "encoder.layer.1.attention.self.key.weight": ("attn_k", tower, 1, HEAD, False),
        "encoder.layer.1.attention.output.dense.weight": ("attn_out", tower, 1, HEAD[::-1], False),
        "encoder.layer.1.attention.output.LayerNorm.weight": ("attn_out_norm", tower, 1, ("residual",), False),
        "encoder.layer.1.intermediate.dense.weight": ("ffn_up", tower, 1, NEURON, False),
        "encoder.layer.1.intermediate.dense.bias": ("ffn_up", tower, 1, ("neuron",), False),
        "encoder.layer.1.output.dense.weight": ("ffn_down", tower, 1, NEURON[::-1], False),
        "encoder.layer.1.output.LayerNorm.bias": ("layer_out_norm", tower, 1, ("residual",), False),
    }
    assert {name: place(anatomy, prefix + name) for name in expected} == expected


@pytest.mark.parametrize("gated", [False, True])
def test_t5_has_two_towers_whose_blocks_count_the_outer_number(gated: bool) -> None:
    anatomy = anatomy_of(architectures.t5(gated=gated))
    assert sorted(anatomy.towers) == ["decoder.block", "encoder.block"]
    assert anatomy.towers["decoder.block"].layers == (0, 1)
    up = "wi_1" if gated else "wi"
    expected = {
        "encoder.block.1.layer.0.SelfAttention.q.weight": ("attn_q", "encoder.block", 1, HEAD, False),
        "encoder.block.1.layer.0.SelfAttention.o.weight": ("attn_out", "encoder.block", 1, HEAD[::-1], False),
        f"decoder.block.1.layer.2.DenseReluDense.{up}.weight": ("ffn_up", "decoder.block", 1, NEURON, False),
        "decoder.block.1.layer.2.DenseReluDense.wo.weight": ("ffn_down", "decoder.block", 1, NEURON[::-1], False),
    }
    assert {name: place(anatomy, name) for name in expected} == expected
    if gated:
        assert anatomy.parts["encoder.block.0.layer.1.DenseReluDense.wi_0.weight"].role == "ffn_gate"
    assert anatomy.parts["shared.weight"].role is None, "it belongs to two residual streams"
    assert anatomy.parts["encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"].role is None


@pytest.mark.parametrize("family", [architectures.falcon, architectures.neox])
def test_fused_attention(family: object) -> None:
    anatomy = anatomy_of(family())
    by_role = {part.role: part for part in anatomy.parts.values() if part.kind is PartKind.MATRIX}
    assert by_role["attn_qkv"].axes == HEAD
    assert by_role["attn_out"].axes == HEAD[::-1]
    assert (by_role["ffn_up"].axes, by_role["ffn_up"].shape) == (NEURON, (N, D))
    assert by_role["ffn_down"].axes == NEURON[::-1]
    assert not any(tower.fused for tower in anatomy.towers.values())


@pytest.mark.parametrize(
    ("family", "name"),
    [
        (architectures.phi3, "model.layers.1.mlp.gate_up_proj.weight"),
        (architectures.chatglm, "transformer.encoder.layers.1.mlp.dense_h_to_4h.weight"),
    ],
)
def test_gate_and_up_in_one_matrix(family: object, name: str) -> None:
    part = anatomy_of(family()).parts[name]
    assert (part.role, part.axes, part.shape) == ("ffn_gate_up", NEURON, (2 * N, D))


def test_every_expert_has_its_number_and_the_router_is_none() -> None:
    anatomy = anatomy_of(architectures.mixtral())
    for name, role in (("w1", "ffn_gate"), ("w2", "ffn_down"), ("w3", "ffn_up")):
        part = anatomy.parts[f"model.layers.1.block_sparse_moe.experts.2.{name}.weight"]
        assert (part.role, part.layer, part.expert, part.tower) == (role, 1, 2, "model.layers")
    router = anatomy.parts["model.layers.1.block_sparse_moe.gate.weight"]
    assert (router.role, router.expert, router.axes) == ("ffn_gate_inp", None, ("expert", "residual"))


def test_two_shared_experts_are_no_fused_matrix() -> None:
    shapes = architectures.mixtral()
    for name, shape in (("gate_proj", (2 * N, D)), ("up_proj", (2 * N, D)), ("down_proj", (D, 2 * N))):
        shapes[f"model.layers.1.mlp.shared_experts.{name}.weight"] = shape
    part = anatomy_of(shapes).parts["model.layers.1.mlp.shared_experts.up_proj.weight"]
    assert (part.role, part.axes) == ("ffn_up", NEURON)


def test_a_vision_transformer() -> None:
    anatomy = anatomy_of(architectures.vit())
    assert list(anatomy.towers) == ["vit.encoder.layer"]
    expected = {
        "vit.encoder.layer.1.attention.attention.value.weight": ("attn_v", "vit.encoder.layer", 1, HEAD, False),
        "vit.encoder.layer.1.attention.output.dense.weight": ("attn_out", "vit.encoder.layer", 1, HEAD[::-1], False),
        "vit.encoder.layer.1.layernorm_after.weight": ("ffn_norm", "vit.encoder.layer", 1, ("residual",), False),
        "vit.encoder.layer.1.output.dense.weight": ("ffn_down", "vit.encoder.layer", 1, NEURON[::-1], False),
    }
    assert {name: place(anatomy, name) for name in expected} == expected
    assert anatomy.parts["vit.embeddings.position_embeddings"].axes == ()
    assert anatomy.parts["vit.embeddings.patch_embeddings.projection.weight"].axes == ()


def test_clip_has_two_towers_each_with_its_own_stream() -> None:
    anatomy = anatomy_of(architectures.clip())
    found = {path: (tower.residual, tower.neurons) for path, tower in anatomy.towers.items()}
    assert found == {"text_model.encoder.layers": (D, N), "vision_model.encoder.layers": (48, 112)}
    assert anatomy.parts["vision_model.embeddings.position_embedding.weight"].tower == "vision_model.encoder.layers"
    assert anatomy.parts["text_model.embeddings.position_embedding.weight"].tower == "text_model.encoder.layers"


def test_towers_of_one_width_are_told_apart_by_their_root() -> None:
    shapes = architectures.clip_tower("vpm.") | llama_shapes(**LLAMA, prefix="llm.")
    shapes["vpm.embeddings.position_embedding.weight"] = (50, D)
    anatomy = anatomy_of(shapes)
    assert sorted(anatomy.towers) == ["llm.model.layers", "vpm.encoder.layers"]
    assert anatomy.parts["vpm.embeddings.position_embedding.weight"].tower == "vpm.encoder.layers"
    assert anatomy.parts["llm.lm_head.weight"].tower == "llm.model.layers"


def test_the_resampler_between_the_towers_has_no_role() -> None:
    shapes = architectures.clip_tower("vpm.", hidden=48) | llama_shapes(**LLAMA, prefix="llm.")
    shapes |= {
        "resampler.query": (16, D),
        "resampler.kv_proj.weight": (D, 48),
        "resampler.attn.in_proj_weight": (3 * D, D),
    }
    anatomy = anatomy_of(shapes)
    assert [part.role for name, part in anatomy.parts.items() if name.startswith("resampler")] == [None] * 3
    assert anatomy.dimensions["residual"] == 48


@pytest.mark.parametrize("family", [architectures.resnet, architectures.lstm])
def test_what_is_no_transformer_has_no_tower(family: object) -> None:
    anatomy = anatomy_of(family())
    assert anatomy.towers == {}
    assert all(part.axes == () for part in anatomy.parts.values())


def test_only_a_subtree_is_looked_at() -> None:
    anatomy = anatomy_of(architectures.clip(), prefix="vision_model.")
    assert set(anatomy.towers) == {"vision_model.encoder.layers"}
    assert all(name.startswith("vision_model.") for name in anatomy.parts)


@pytest.mark.parametrize(
    ("name", "rank", "module", "kind"),
    [
        ("h.0.ln_1.weight", 1, "h.0.ln_1", PartKind.GAIN),
        ("h.0.mlp.c_fc.weight", 2, "h.0.mlp.c_fc", PartKind.MATRIX),
        ("output.LayerNorm.gamma", 1, "output.LayerNorm", PartKind.GAIN),
        ("output.LayerNorm.beta", 1, "output.LayerNorm", PartKind.BIAS),
        ("self_attn.in_proj_weight", 2, "self_attn.in_proj", PartKind.MATRIX),
        ("self_attn.in_proj_bias", 1, "self_attn.in_proj", PartKind.BIAS),
        ("bn1.running_var", 1, "bn1", PartKind.STATISTIC),
        ("bn1.num_batches_tracked", 0, "bn1", PartKind.STATISTIC),
        ("vit.embeddings.cls_token", 3, "vit.embeddings.cls_token", PartKind.OTHER),
        ("_weight", 2, "", PartKind.MATRIX),
        ("", 0, "", PartKind.OTHER),
    ],
)
def test_a_name_splits_into_its_module_and_what_the_tensor_is_to_it(
    name: str, rank: int, module: str, kind: PartKind
) -> None:
    assert split_leaf(name, rank) == (module, kind)


REAL = sorted(
    {
        *architectures.gpt2(),
        *architectures.bert(),
        *architectures.t5(gated=True),
        *architectures.mixtral(),
        *architectures.vit(),
        *architectures.lstm(),
        *llama_shapes(**LLAMA),
    }
)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.one_of(st.sampled_from(REAL), st.text(max_size=12)),
        st.lists(st.sampled_from([0, 1, 2, 3, 8, D, N]), max_size=4).map(tuple),
        max_size=20,
    )
)
def test_known_names_on_any_shapes_are_placed_or_left_alone(shapes: Shapes) -> None:
    anatomy = anatomy_of(shapes)
    assert list(anatomy.parts) == sorted(shapes, key=lambda name: (natural_key(name), name))
    for part in anatomy.parts.values():
        if part.axes:
            assert len(part.axes) == len(part.shape)
            assert part.tower in anatomy.towers
        for axis, meaning in enumerate(part.axes):
            assert meaning != "residual" or part.shape[axis] == anatomy.towers[part.tower].residual
    assert sum(map(len, anatomy.by_template.values())) == len(shapes)
    assert all(size >= 0 for size in anatomy.dimensions.values())


@given(st.text())
def test_no_name_is_too_odd_to_have_no_role(name: str) -> None:
    match_role(name)
