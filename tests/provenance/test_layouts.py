"""Verdicts on the same trained weights in another layout, and on another model's weights in that layout."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from provenance import Relation, compare, inspect
from provenance.reports.json import encode
from provenance.result import Result

BASES = Path(__file__).parents[2] / "bench" / "data" / "bases"
Tensors = dict[str, torch.Tensor]
HEAD = 24


def blocks(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Phi-3, Baichuan: q, then k, then v."""
    return torch.cat([q, k, v])


def groups(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Falcon, InternLM2: (kv heads, q per kv head + 2, head, inputs)."""
    kv, rest = k.shape[0] // HEAD, q.shape[1:]
    heads = [part.reshape(kv, -1, HEAD, *rest) for part in (q, k, v)]
    return torch.cat(heads, 1).reshape(-1, *rest)


def fused(tensors: Tensors, join: Callable[..., torch.Tensor], name: str, *, mlp: bool = False) -> Tensors:
    """A Llama with its attention matrices, and its MLP matrices if asked, in one."""
    result: Tensors = {}
    for key, values in tensors.items():
        at, _, part = key.rpartition("self_attn.")
        if part == "q_proj.weight":
            result[f"{at}{name}.weight"] = join(*(tensors[f"{at}self_attn.{p}_proj.weight"] for p in "qkv"))
        elif mlp and key.endswith("gate_proj.weight"):
            up = tensors[key.replace("gate_proj", "up_proj")]
            result[key.replace("gate_proj", "gate_up_proj")] = torch.cat([values, up])
        elif part not in ("k_proj.weight", "v_proj.weight") and not (mlp and key.endswith("up_proj.weight")):
            result[key] = values
    return result


def conv1d(tensors: Tensors) -> Tensors:
    """Matrices of the layers with inputs first."""
    return {name: values.T if values.ndim == 2 and ".layers." in name else values for name, values in tensors.items()}


def per_head(tensors: Tensors) -> Tensors:
    """A BERT with q, k and v of each head side by side, as GPT-NeoX and BLOOM store them, biases too."""
    result: Tensors = {}
    for key, values in tensors.items():
        found = re.fullmatch(r"(.*attention\.)self\.(query|key|value)\.(weight|bias)", key)
        if found is None:
            result[key] = values
        elif found[2] == "query":
            parts = [tensors[f"{found[1]}self.{p}.{found[3]}"] for p in ("query", "key", "value")]
            heads = [part.reshape(-1, HEAD, *part.shape[1:]) for part in parts]
            result[f"{found[1]}query_key_value.{found[3]}"] = torch.stack(heads, 1).reshape(-1, *values.shape[1:])
    return result


def stacked(tensors: Tensors, *, input_first: bool) -> Tensors:
    """A Mixtral with one tensor for the experts of a layer."""
    result: Tensors = {}
    for key, values in tensors.items():
        at, _, rest = key.partition(".block_sparse_moe.experts.")
        if not rest:
            result[key.replace("block_sparse_moe", "mlp")] = values
        elif rest == "0.w1.weight":
            w1, w2, w3 = (
                torch.stack([tensors[f"{at}.block_sparse_moe.experts.{e}.{w}.weight"] for e in range(4)])
                for w in ("w1", "w2", "w3")
            )
            both = torch.cat([w1, w3], 1)
            result[f"{at}.mlp.experts.gate_up_proj"] = both.mT if input_first else both
            result[f"{at}.mlp.experts.down_proj"] = w2.mT if input_first else w2
    return result


CASES: dict[str, tuple[str, Callable[[Tensors], Tensors], set[str]]] = {
    "phi": (
        "llama",
        lambda t: fused(t, blocks, "self_attn.qkv_proj", mlp=True),
        {"fused_qkv", "fused_gate_up"},
    ),
    "baichuan": ("llama", lambda t: fused(t, blocks, "self_attn.W_pack"), {"fused_qkv"}),
    "falcon": ("llama", lambda t: fused(t, groups, "self_attention.query_key_value"), {"fused_qkv"}),
    "chatglm": ("llama", lambda t: fused(t, blocks, "self_attention.query_key_value"), {"fused_qkv"}),
    "internlm2": ("llama", lambda t: fused(t, groups, "attention.wqkv"), {"fused_qkv"}),
    "neox": ("bert", per_head, {"fused_qkv"}),
    "conv1d": ("llama", conv1d, {"turned"}),
    "conv1d-fused": (
        "llama",
        lambda t: conv1d(fused(t, blocks, "self_attn.qkv_proj", mlp=True)),
        {"turned", "fused_qkv", "fused_gate_up"},
    ),
    "stacked": ("mixtral", lambda t: stacked(t, input_first=False), {"stacked_experts"}),
    "stacked-input-first": ("mixtral", lambda t: stacked(t, input_first=True), {"stacked_experts"}),
}
SEARCHED = {"falcon", "chatglm", "internlm2", "neox"}


def saved(folder: Path, tensors: Tensors) -> Path:
    folder.mkdir()
    save_file({name: values.contiguous() for name, values in tensors.items()}, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize("case", list(CASES))
def test_another_layout_is_identical_and_another_model_in_it_is_independent(case: str, tmp_path: Path) -> None:
    family, relay, layouts = CASES[case]
    base = BASES / f"{family}-0"
    copy = saved(tmp_path / "copy", relay(load_file(base / "model.safetensors")))
    for result, side in ((compare(base, copy), "b"), (compare(copy, base), "a")):
        assert result.verdict.relation is Relation.IDENTICAL
        assert result.verdict.basis == "digest"
        assert {entry.layout for entry in result.architecture.layouts} == layouts
        assert {entry.side for entry in result.architecture.layouts} == {side}
        assert not result.architecture.only_a
        assert not result.architecture.only_b
        assert result.architecture.relation == "renamed"
        assert result.run.options["half"] == ("test" if case in SEARCHED else "all")
        assert hits(result) == 1.0
    stranger = compare(copy, BASES / f"{family}-1")
    assert stranger.verdict.relation is Relation.INDEPENDENT
    assert hits(stranger) < 0.03
    if case in SEARCHED:
        assert "fused_qkv" not in {entry.layout for entry in stranger.architecture.layouts}
    else:
        assert not stranger.architecture.only_a
        assert not stranger.architecture.only_b


@pytest.mark.parametrize("module", ["attention", "attention.self", "self_attn", "attn"])
@pytest.mark.parametrize("name", ["Wqkv", "query_key_value", "qkv_proj", "qkv"])
def test_attention_in_one_matrix_is_known_by_every_module_and_name(module: str, name: str, tmp_path: Path) -> None:
    base = load_file(BASES / "bert-0" / "model.safetensors")
    at = re.compile(r"attention\.self\.(query|key|value)\.")
    tensors: Tensors = {}
    for key, values in base.items():
        found = at.search(key)
        if found is None:
            tensors[key] = values
        elif found[1] == "query":
            parts = [base[key.replace("query", part)] for part in ("query", "key", "value")]
            tensors[at.sub(f"{module}.{name}.", key)] = blocks(*parts)
    copy = saved(tmp_path / "copy", tensors)
    same, stranger = compare(BASES / "bert-0", copy), compare(BASES / "bert-1", copy)
    assert same.verdict.relation is Relation.IDENTICAL
    assert [entry.layout for entry in same.architecture.layouts] == ["fused_qkv"]
    assert stranger.verdict.relation is Relation.INDEPENDENT


def flax(tensors: Tensors) -> Tensors:
    """A GPT-2 with its `Conv1D` matrices under the leaf of Flax, as they are."""
    return {
        name.replace(".weight", ".kernel") if values.ndim == 2 and ".h." in name else name: values
        for name, values in tensors.items()
    }


def linear(tensors: Tensors) -> Tensors:
    """A GPT-2 with outputs first."""
    return {name: values.T if values.ndim == 2 and ".h." in name else values for name, values in tensors.items()}


@pytest.mark.parametrize("relay", [flax, linear, lambda t: flax(linear(t))], ids=["kernel", "linear", "flax-conv1d"])
def test_gpt2_is_the_same_whichever_way_and_by_whichever_leaf_it_is_stored(
    relay: Callable[[Tensors], Tensors], tmp_path: Path
) -> None:
    base, other = BASES / "gpt2-0", BASES / "gpt2-1"
    copy = saved(tmp_path / "copy", relay(load_file(base / "model.safetensors")))
    for pair in ((base, copy), (copy, base)):
        assert compare(*pair).verdict.relation is Relation.IDENTICAL
    for pair in ((other, copy), (copy, other)):
        assert compare(*pair).verdict.relation is Relation.INDEPENDENT


def hits(result: Result) -> float:
    """Share of units whose best match is their own counterpart."""
    tests = [test for test in result.evidence if test.decides]
    return sum(test.hits for test in tests) / sum(test.units for test in tests)


def test_models_with_stacked_experts_on_both_sides_are_tested_expert_by_expert(tmp_path: Path) -> None:
    one, other = (
        saved(tmp_path / str(seed), stacked(load_file(BASES / f"mixtral-{seed}/model.safetensors"), input_first=False))
        for seed in (0, 1)
    )
    result = compare(one, other)
    assert result.verdict.relation is Relation.INDEPENDENT
    assert result.architecture.relation == "identical"
    assert sum("neurons of expert" in test.subject for test in result.evidence if test.decides) >= 12
    assert result.a.tensors == len(load_file(one / "model.safetensors"))


def test_what_transformers_writes_is_the_same_as_what_stands_on_the_hub(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    base = BASES / "mixtral-0"
    model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
    tensors = dict(model.state_dict())
    assert any(values.ndim == 3 for values in tensors.values())
    result = compare(base, saved(tmp_path / "copy", tensors))
    assert result.verdict.relation is Relation.IDENTICAL
    assert [entry.layout for entry in result.architecture.layouts] == ["stacked_experts"]


def test_layouts_stand_in_the_json_of_both_commands(tmp_path: Path) -> None:
    base = BASES / "llama-0"
    copy = saved(tmp_path / "copy", fused(load_file(base / "model.safetensors"), blocks, "self_attn.qkv_proj"))
    entry = {"side": "b", "layout": "fused_qkv", "tensors": 5, "views": 15, "detail": ""}
    assert json.loads(encode(compare(base, copy)))["architecture"]["layouts"] == [entry]
    assert json.loads(encode(inspect(copy)))["layouts"] == [entry | {"side": None}]
    assert json.loads(encode(inspect(base)))["layouts"] == []
