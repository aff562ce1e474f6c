"""Seeds of targets whose files are described in lines of text: packing schemes, adapters, layouts, slices, folders."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import numpy as np

from tests import packing
from tests.fuzz.described import described
from tests.fuzz.reading import CUT
from tests.fuzz.torch_seeds import torch_seeds

NUMBERS: Final = np.random.default_rng(0).standard_normal((32, 64), dtype=np.float32)
Seeds = Iterator[tuple[str, bytes]]


def _json(content: object) -> bytes:
    return json.dumps(content).encode()


def _lines(*lines: str) -> bytes:
    return "\n".join(lines).encode()


def _packed() -> Seeds:
    group = packing.in_order(64, 32)
    schemes: dict[str, tuple[Mapping[str, np.ndarray], dict[str, Any]]] = {
        "gptq": (packing.gptq(NUMBERS, 4, group)[0], {"quant_method": "gptq", "bits": 4, "group_size": 32}),
        "gptq3": (packing.gptq(NUMBERS, 3, group)[0], {"quant_method": "gptq", "bits": 3, "group_size": 32}),
        "awq": (packing.awq(NUMBERS, group)[0], {"quant_method": "awq", "bits": 4, "group_size": 32}),
        "compressed": (
            packing.pack_quantized(NUMBERS, 4, group)[0],
            {"quant_method": "compressed-tensors", "format": "pack-quantized"},
        ),
        "mlx": (packing.mlx(NUMBERS, 4, group)[0], {"bits": 4, "group_size": 32}),
        "hqq": (packing.hqq(NUMBERS, 4, 32, 1)[0], {"quant_method": "hqq"}),
    }
    whole = ("g_idx", "weight_shape", ".shape", "nbits", "axis", "group_size", "packing")
    for name, (found, claims) in schemes.items():
        config = {"quantization": claims} if name == "mlx" else {"quantization_config": claims}
        yield name, described(packing.named(found, "model.layers.0.mlp.up_proj."), whole) + CUT + _json(config)
        if "g_idx" in found:
            without = {part: values for part, values in found.items() if part != "g_idx"}
            yield f"{name}-without-g-idx", described(packing.named(without)) + CUT + _json(config)
        narrow = {part: values[..., 1:] if "scale" in part else values for part, values in found.items()}
        yield f"bad-{name}-narrow-scales", described(packing.named(narrow), whole) + CUT + _json(config)
    for name, lines in _WRITTEN.items():
        yield name, _lines(*lines) + CUT + b"{}"
    fp8 = {"quantization_config": {"quant_method": "fp8", "weight_block_size": [2, 4]}}
    yield "fp8", _lines("w.weight F8_E4M3 4,8", "w.weight_scale_inv F32 2,2") + CUT + _json(fp8)


_STATE: Final = '{"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [4, 64]}'
_NESTED: Final = f'{_STATE[:-1]}, "nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.04}}'
_AT: Final = "w.weight.quant_state.bitsandbytes__"
_WRITTEN: Final = {
    "nf4": (
        "w.weight U8 128,1",
        "w.weight.absmax F32 4",
        "w.weight.quant_map F32 16",
        f"{_AT}nf4 U8 {len(_STATE)} {_STATE}",
    ),
    "fp4-nested": (
        "w.weight U8 128,1",
        "w.weight.absmax U8 4",
        "w.weight.quant_map F32 16",
        "w.weight.nested_absmax F32 1",
        "w.weight.nested_quant_map F32 256",
        f"{_AT}fp4 U8 {len(_NESTED)} {_NESTED}",
    ),
    "bad-nf4-of-too-much": (
        "w.weight U8 128,1",
        "w.weight.absmax F32 4",
        "w.weight.quant_map F32 16",
        f"{_AT}nf4 U8 {len(_STATE)} {_STATE.replace('4, 64', '4' * 5)}",
    ),
    "int8-scb": ("w.weight I8 4,10", "w.SCB F32 4", "w.weight_format U8  \x00"),
    "int8-compressed": ("w.weight I8 4,10", "w.weight_scale BF16 4,1", "w.weight_zero_point I8 4,1"),
    "packed-experts": (
        "w.weight_packed I32 2,8,4",
        "w.weight_scale BF16 2,8,2",
        "w.weight_zero_point I32 2,1,2",
        "w.weight_shape I64 3 " + "".join(map(chr, (2, *[0] * 7, 8, *[0] * 7, 32, *[0] * 7))),
    ),
    "packed-in-another-order": (
        "w.weight_packed I32 4,4",
        "w.weight_scale BF16 4,2",
        "w.weight_g_idx I32 32 " + "\1\0\0\0\0\0\0\0",
        "w.weight_shape I64 2 " + "".join(map(chr, (4, *[0] * 7, 32, *[0] * 7))),
    ),
    "float-compressed": ("w.weight F8_E4M3 4,10", "w.weight_scale F32 4,1"),
    "mxfp4-blocks": ("mlp.experts.gate_up_proj_blocks U8 2,6,3,16", "mlp.experts.gate_up_proj_scales U8 2,6,3 \x7e"),
    "mxfp4-openai": ("block.0.mlp.mlp1_weight.blocks U8 2,6,3,16", "block.0.mlp.mlp1_weight.scales U8 2,6,3 \x7e"),
    "mxfp4-rows": ("w.weight_packed U8 4,32", "w.weight_scale U8 4,2 \x7e"),
    "nvfp4": ("w.weight U8 4,16", "w.weight_scale F8_E4M3 4,2", "w.weight_scale_2 F32 ", "w.input_scale F32 "),
    "nvfp4-packed": ("w.weight_packed U8 4,16", "w.weight_scale F8_E4M3 4,2", "w.weight_global_scale F32 1"),
    "torchao-int8": ("w._weight_qdata I8 4,10", "w._weight_scale F32 4,1", "w._weight_zero_point I8 4,1"),
    "torchao-float8": ("w._weight_qdata F8_E4M3 4,10", "w._weight_scale F32 4,1"),
    "scaled-fp8": ("w.weight F8_E5M2 4,10", "w.scale_weight F32 "),
}
"""Schemes that are short to write down."""


def _adapter() -> Seeds:
    q, way = "base_model.model.model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.q_proj"
    low = (f"{q}.lora_A.weight F32 2,8", f"{q}.lora_B.weight F32 4,2")
    lora = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"], "rank_pattern": {}}
    base = _lines(f"{way}.weight F32 4,8", f"{way}.bias F32 4", "lm_head.weight BF16 6,8")
    dora = _lines(*low, f"{q}.lora_magnitude_vector F32 4")
    made = {
        "lora": (_lines(*low), lora),
        "rslora": (_lines(*low), {**lora, "use_rslora": True, "alpha_pattern": {"q_proj": 8}}),
        "dora": (dora, {**lora, "use_dora": True}),
        "ia3": (_lines(f"{q}.ia3_l F32 4,1"), {"peft_type": "IA3", "target_modules": ["q_proj"]}),
        "saved": (_lines(*low, "base_model.model.lm_head.weight F32 6,8"), {**lora, "modules_to_save": ["lm_head"]}),
        "loha": (_lines(f"{q}.hada_w1_a F32 4,2", f"{q}.hada_w1_b F32 2,8"), {"peft_type": "LOHA"}),
    }
    for name, (lines, config) in made.items():
        yield name, CUT.join((lines, _json(config), base))
    turned = _lines("m.c_attn.weight F32 8,4", "m.c_attn.bias F32 4")
    low = ("base_model.model.m.c_attn.lora_A.weight F16 2,8", "base_model.model.m.c_attn.lora_B.weight F16 4,2")
    config = {**lora, "fan_in_fan_out": True}
    yield (
        "dora-turned",
        CUT.join((_lines(*low, "base_model.model.m.c_attn.lora_magnitude_vector F16 4"), _json(config), turned)),
    )
    low = ("base_model.model.e.lora_embedding_A F32 2,9", "base_model.model.e.lora_embedding_B F32 4,2")
    yield "embedding", CUT.join((_lines(*low), _json(lora), _lines("e.weight F32 9,4")))
    beside = (
        "base_model.model.m.q.base_layer.weight F32 4,8",
        "base_model.model.m.q.base_layer.bias F32 4",
        "base_model.model.m.q.lora_A.default.weight F32 2,8",
        "base_model.model.m.q.lora_B.default.weight F32 4,2",
        "base_model.model.m.k.weight F32 4,8",
        "base_model.model.m.o.weight F32 4,8",
        "base_model.model.h.original_module.weight F32 4,8",
        "base_model.model.h.modules_to_save.default.weight F32 4,8",
    )
    yield "beside-its-base", CUT.join((_lines(*beside), _json({"lora_alpha": 4}), b""))


def _layouts() -> Seeds:
    at = "model.layers.0"
    common = (f"{at}.self_attn.o_proj.weight F32 16,16", f"{at}.mlp.down_proj.weight F32 16,24")
    common += ("model.embed_tokens.weight F32 40,16", f"{at}.input_layernorm.weight F32 16")
    split = tuple(f"{at}.self_attn.{part}_proj.weight F32 {rows},16" for part, rows in (("q", 16), ("k", 8), ("v", 8)))
    gates = (f"{at}.mlp.gate_proj.weight F32 24,16", f"{at}.mlp.up_proj.weight F32 24,16")
    fused = (f"{at}.self_attn.qkv_proj.weight F32 32,16", f"{at}.mlp.gate_up_proj.weight F32 48,16")
    yield "fused", CUT.join((_lines(*common, *fused), _lines(*common, *split, *gates)))
    grouped = (f"{at}.attention.query_key_value.weight F32 32,16",)
    yield "grouped", CUT.join((_lines(*common, *grouped), _lines(*common, *split, *gates)))
    stacked = (f"{at}.mlp.experts.gate_up_proj F32 2,16,24", f"{at}.mlp.experts.down_proj F32 2,12,16")
    experts = tuple(
        f"{at}.mlp.experts.{expert}.{part}_proj.weight F32 {shape}"
        for expert in range(2)
        for part, shape in (("gate", "12,16"), ("up", "12,16"), ("down", "16,12"))
    )
    yield "experts", CUT.join((_lines(*common, *stacked), _lines(*common, *experts)))
    gguf = ("blk.0.ffn_up_exps.weight F32 2,12,16", "blk.0.ffn_down_exps.weight F32 2,16,12")
    gguf += ("blk.0.attn_q.weight F32 16,16", "blk.0.attn_norm.weight F32 16", "token_embd.weight F32 40,16")
    biased = (*stacked, f"{at}.mlp.experts.gate_up_proj_bias F32 2,24", f"{at}.mlp.experts.down_proj_bias F32 2,16")
    yield "experts-gguf", CUT.join((_lines(*gguf), _lines(*common, *biased)))
    norm = ("conv.weight_v F32 4,3,5", "conv.weight_g F32 4,1,1")
    other = ("x.parametrizations.weight.original0 F32 4,1", "x.parametrizations.weight.original1 F32 4,3")
    yield "weight-norm", CUT.join((_lines(*norm, *other), _lines("conv.weight F32 4,3,5", "x.weight F32 4,3")))
    kernel = ("h.0.mlp.c_fc.kernel F32 8,32", "h.0.mlp.c_proj.kernel F32 32,8", "conv.kernel F32 3,3,2,4")
    weight = ("h.0.mlp.c_fc.weight F32 32,8", "h.0.mlp.c_proj.weight F32 8,32", "conv.weight F32 4,2,3,3")
    yield "kernels", CUT.join((_lines(*kernel), _lines(*weight)))
    first = ("h.0.attn.c_attn.weight F32 8,24", "h.0.attn.c_proj.weight F32 8,8", "h.0.mlp.c_fc.weight F32 8,32")
    first += ("h.0.mlp.c_proj.weight F32 32,8", "h.0.ln_1.weight F32 8", "wte.weight F32 30,8")
    yield "inputs-first", CUT.join((_lines(*first), _lines(*weight, "h.0.attn.c_attn.weight F32 24,8")))


def _slices() -> Seeds:
    tensors = ("layers.0.attention.wq.weight F32 4,8", "layers.0.attention.wo.weight F32 8,4", "norm.weight F32 8")
    params = {"dim": 8, "n_heads": 2, "n_layers": 1}
    yield "plain", CUT.join([_lines(*tensors), _lines(*tensors), _json(params)])
    vision = ("vision_model.wq.weight F32 4,6", "output.weight BF16 5,8", "tok_embeddings.weight BF16 9,4")
    yield "vision", CUT.join([_lines(*tensors, *vision)] * 2 + [_json({**params, "n_kv_heads": 1})])


def _pipeline() -> Seeds:
    index = {"_class_name": "Pipe", "unet": ["diffusers", "UNet"], "vae": ["diffusers", "VAE"]}
    config = {"_class_name": "VAE", "quantization_config": {"bits": 4}}
    unet, vae = _lines("conv.weight F16 4,2,3,3"), _lines("q.weight F32 4,4")
    yield "plain", CUT.join((_json(index), unet, vae, _json(config)))


def _rivals() -> Seeds:
    same, other = _lines("a.weight F32 4,6 \0\0\0\0", "b F16 3"), _lines("c.weight BF16 4,6", "b F32 3")
    pickled = dict(torch_seeds())["legacy"]
    for name, lines in (("plain", same), ("other-names", other), ("packed", _lines("a.weight I8 4,6", "a.SCB F32 4"))):
        yield name, CUT.join((lines, pickled, b"{}"))


def _joined() -> Seeds:
    q = "base_model.model.layers.0.q_proj"
    low = _lines(f"{q}.lora_A.weight F32 2,8", f"{q}.lora_B.weight F32 4,2")
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4}
    yield "plain", CUT.join((low, _lines("model.0.weight F32 4,8"), _json(config)))


DESCRIBED: Final[dict[str, Callable[[], Seeds]]] = {
    "packed": _packed,
    "adapter": _adapter,
    "layouts": _layouts,
    "slices": _slices,
    "pipeline": _pipeline,
    "joined": _joined,
    "rivals": _rivals,
}
