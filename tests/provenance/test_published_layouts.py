"""Verdicts on what transformers builds beside the same weights as others publish them, and beside other weights."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from provenance import Relation, compare

transformers = pytest.importorskip("transformers")

Tensors = dict[str, torch.Tensor]
H, NEURONS, EXPERTS, VOCABULARY = 96, 128, 4, 128


def dbrx() -> torch.nn.Module:
    config = transformers.DbrxConfig(
        d_model=H,
        n_heads=4,
        n_layers=3,
        vocab_size=VOCABULARY,
        max_seq_len=64,
        attn_config={"kv_n_heads": 2, "clip_qkv": 8, "rope_theta": 1e4},
        ffn_config={"ffn_hidden_size": NEURONS, "moe_num_experts": EXPERTS, "moe_top_k": 2, "hidden_size": H},
    )
    return transformers.DbrxForCausalLM(config)


def codegen() -> torch.nn.Module:
    sizes = {"n_embd": H, "n_head": 4, "n_layer": 3, "rotary_dim": 8, "vocab_size": VOCABULARY, "n_positions": 64}
    return transformers.CodeGenForCausalLM(transformers.CodeGenConfig(**sizes))


def granite() -> torch.nn.Module:
    config = transformers.GraniteMoeSharedConfig(
        hidden_size=H,
        intermediate_size=NEURONS,
        shared_intermediate_size=2 * NEURONS,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_hidden_layers=3,
        num_local_experts=EXPERTS,
        vocab_size=VOCABULARY,
    )
    return transformers.GraniteMoeSharedForCausalLM(config)


def segformer() -> torch.nn.Module:
    config = transformers.SegformerConfig(
        depths=[2, 2, 2, 2], hidden_sizes=[32, 64, 96, 128], decoder_hidden_size=64, num_labels=4
    )
    return transformers.SegformerModel(config)


def single_experts(tensors: Tensors) -> Tensors:
    """DBRX with a Linear for every matrix of an expert, as it was converted for quantisation."""
    result: Tensors = {}
    for name, values in tensors.items():
        at, _, part = name.partition(".experts.mlp.")
        if not part:
            result[name] = values
            continue
        for expert, rows in enumerate(values.chunk(EXPERTS)):
            result[f"{at}.experts.mlp.{expert}.{part}.weight"] = rows.T if part == "w2" else rows
    return result


def stacked(tensors: Tensors) -> Tensors:
    """DBRX with one tensor of three axes for the experts of a layer, as GGUF files have it."""
    called = {"w1": "gate", "v1": "up", "w2": "down"}
    result: Tensors = {}
    for name, values in tensors.items():
        at, _, part = name.partition(".ffn.experts.mlp.")
        if part:
            stack = values.reshape(EXPERTS, -1, H)
            result[f"{at}.ffn_{called[part]}_exps.weight"] = stack.mT if part == "w2" else stack
        else:
            result[name] = values
    return result


def gptj(tensors: Tensors) -> Tensors:
    """CodeGen as a GPT-J, the way that serves it elsewhere."""
    result: Tensors = {}
    for name, values in tensors.items():
        at, _, rest = name.partition("qkv_proj.")
        if rest:
            slices = values.reshape(4, 3, H // 4, H)
            result |= {f"{at}{part}_proj.weight": slices[:, k].reshape(H, H) for k, part in enumerate("qvk")}
        else:
            result[name] = values
    return result


def apart(tensors: Tensors) -> Tensors:
    """Granite's shared experts as gate and up, as GGUF files have them."""
    result: Tensors = {}
    for name, values in tensors.items():
        at, _, rest = name.partition("shared_mlp.input_linear.")
        if rest:
            result[f"{at}ffn_gate_shexp.weight"], result[f"{at}ffn_up_shexp.weight"] = values.chunk(2)
        else:
            result[name.replace("shared_mlp.output_linear", "ffn_down_shexp")] = values
    return result


def one_kv(tensors: Tensors) -> Tensors:
    """SegFormer with keys and values in one, as its authors have them; the other names are those of transformers."""
    result: Tensors = {}
    for name, values in tensors.items():
        found = re.fullmatch(r"(.*)\b(key|k_proj)\.(weight|bias)", name)
        if found:
            other = "value" if found[2] == "key" else "v_proj"
            result[f"{found[1]}kv.{found[3]}"] = torch.cat([values, tensors[f"{found[1]}{other}.{found[3]}"]])
        elif not re.search(r"\b(value|v_proj)\.(weight|bias)$", name):
            result[name] = values
    return result


CASES: dict[str, tuple[Callable[[], torch.nn.Module], Callable[[Tensors], Tensors], str, str]] = {
    "dbrx-single": (dbrx, single_experts, "neighbouring_experts", "a"),
    "dbrx-stacked": (dbrx, stacked, "neighbouring_experts", "a"),
    "codegen": (codegen, gptj, "fused_qkv", "a"),
    "granite": (granite, apart, "fused_gate_up", "a"),
    "segformer": (segformer, one_kv, "fused_kv", "b"),
}


def saved(folder: Path, tensors: Tensors) -> Path:
    folder.mkdir()
    save_file({name: values.contiguous().clone() for name, values in tensors.items()}, folder / "model.safetensors")
    return folder


def weights(make: Callable[[], torch.nn.Module], seed: int) -> Tensors:
    torch.manual_seed(seed)
    tensors: Tensors = dict(make().state_dict())
    generator = torch.Generator().manual_seed(seed)
    return {
        name: values if values.ndim < 2 else torch.randn(values.shape, generator=generator) * 0.05
        for name, values in tensors.items()
    }


@pytest.mark.parametrize("case", list(CASES))
def test_a_published_layout_is_identical_and_another_model_is_independent(case: str, tmp_path: Path) -> None:
    make, relay, layout, side = CASES[case]
    tensors = weights(make, 0)
    original, copy = saved(tmp_path / "original", tensors), saved(tmp_path / "copy", relay(tensors))
    result = compare(original, copy)
    assert result.verdict.relation is Relation.IDENTICAL
    assert (side, layout) in {(entry.side, entry.layout) for entry in result.architecture.layouts}
    assert not result.architecture.only_a
    assert not result.architecture.only_b
    assert compare(copy, original).verdict.relation is Relation.IDENTICAL
    stranger = saved(tmp_path / "stranger", relay(weights(make, 1)))
    assert compare(original, stranger).verdict.relation is Relation.INDEPENDENT


def test_the_split_codegen_computes_what_codegen_computes() -> None:
    torch.manual_seed(0)
    model = codegen().eval()
    config = {key: getattr(model.config, key) for key in ("n_embd", "n_head", "n_layer", "rotary_dim", "vocab_size")}
    twin = transformers.GPTJForCausalLM(transformers.GPTJConfig(**config, n_positions=64)).eval()
    twin.load_state_dict(gptj(dict(model.state_dict())))
    tokens = torch.arange(12).reshape(1, -1)
    with torch.no_grad():
        assert torch.allclose(model(tokens).logits, twin(tokens).logits, atol=1e-5)


@pytest.mark.parametrize("rows", [EXPERTS - 1, 0, None])
def test_without_a_router_that_fits_experts_are_not_guessed(rows: int | None, tmp_path: Path) -> None:
    tensors = weights(dbrx, 0)
    copy = saved(tmp_path / "copy", single_experts(tensors))
    for name in [name for name in tensors if ".router." in name]:
        if rows is None:
            del tensors[name]
        else:
            tensors[name] = torch.ones(rows, H)
    result = compare(saved(tmp_path / "original", tensors), copy)
    assert not result.architecture.layouts
    assert result.verdict.relation is not Relation.IDENTICAL
