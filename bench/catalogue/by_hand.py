"""Layouts of models whose code is not in transformers, from their published code."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Shapes = dict[str, tuple[int, ...]]


def internlm2(row: Mapping[str, str]) -> Shapes:
    """InternLM2: one matrix for queries, keys and values, feed-forward as Meta names it."""
    h, f, v = int(row["hidden_size"]), int(row["intermediate_size"]), int(row["vocab_size"])
    heads, groups = int(row["heads"]), int(row["kv_heads"])
    shapes: Shapes = {"model.tok_embeddings.weight": (v, h), "model.norm.weight": (h,), "output.weight": (v, h)}
    for layer in range(int(row["layers"])):
        at = f"model.layers.{layer}"
        shapes |= {
            f"{at}.attention.wqkv.weight": ((heads + 2 * groups) * (h // heads), h),
            f"{at}.attention.wo.weight": (h, h),
            f"{at}.feed_forward.w1.weight": (f, h),
            f"{at}.feed_forward.w2.weight": (h, f),
            f"{at}.feed_forward.w3.weight": (f, h),
            f"{at}.attention_norm.weight": (h,),
            f"{at}.ffn_norm.weight": (h,),
        }
    return shapes


def baichuan(row: Mapping[str, str]) -> Shapes:
    """Baichuan: Llama with one matrix for queries, keys and values."""
    h, f, v = int(row["hidden_size"]), int(row["intermediate_size"]), int(row["vocab_size"])
    shapes: Shapes = {"model.embed_tokens.weight": (v, h), "model.norm.weight": (h,), "lm_head.weight": (v, h)}
    for layer in range(int(row["layers"])):
        at = f"model.layers.{layer}"
        shapes |= {
            f"{at}.self_attn.W_pack.weight": (3 * h, h),
            f"{at}.self_attn.o_proj.weight": (h, h),
            f"{at}.mlp.gate_proj.weight": (f, h),
            f"{at}.mlp.up_proj.weight": (f, h),
            f"{at}.mlp.down_proj.weight": (h, f),
            f"{at}.input_layernorm.weight": (h,),
            f"{at}.post_attention_layernorm.weight": (h,),
        }
    return shapes


BY_HAND: dict[str, Callable[[Mapping[str, str]], Shapes]] = {"internlm2": internlm2, "baichuan": baichuan}
"""By `model_type`."""
