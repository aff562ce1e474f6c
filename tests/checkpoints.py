"""Checkpoints for tests: real names and shapes from configurations, with or without values."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

Shapes = dict[str, tuple[int, ...]]

LLAMA_2_7B = {"layers": 32, "hidden": 4096, "mlp": 11008, "heads": 32, "kv_heads": 32, "vocabulary": 32000}
LLAMA_2_70B = {"layers": 80, "hidden": 8192, "mlp": 28672, "heads": 64, "kv_heads": 8, "vocabulary": 32000}
YI_34B = {"layers": 60, "hidden": 7168, "mlp": 20480, "heads": 56, "kv_heads": 8, "vocabulary": 64000}
FIRST_YI_NAMES = {"input_layernorm": "ln1", "post_attention_layernorm": "ln2"}


def llama_shapes(
    *, layers: int, hidden: int, mlp: int, heads: int, kv_heads: int, vocabulary: int, prefix: str = ""
) -> Shapes:
    """Names and shapes of a Llama, as the transformers library has them."""
    keys = hidden // heads * kv_heads
    shapes: Shapes = {f"{prefix}model.embed_tokens.weight": (vocabulary, hidden)}
    for layer in range(layers):
        at = f"{prefix}model.layers.{layer}"
        shapes |= {
            f"{at}.input_layernorm.weight": (hidden,),
            f"{at}.self_attn.q_proj.weight": (hidden, hidden),
            f"{at}.self_attn.k_proj.weight": (keys, hidden),
            f"{at}.self_attn.v_proj.weight": (keys, hidden),
            f"{at}.self_attn.o_proj.weight": (hidden, hidden),
            f"{at}.post_attention_layernorm.weight": (hidden,),
            f"{at}.mlp.gate_proj.weight": (mlp, hidden),
            f"{at}.mlp.up_proj.weight": (mlp, hidden),
            f"{at}.mlp.down_proj.weight": (hidden, mlp),
        }
    return shapes | {f"{prefix}model.norm.weight": (hidden,), f"{prefix}lm_head.weight": (vocabulary, hidden)}


def renamed(shapes: Mapping[str, object], rules: Mapping[str, str]) -> dict[str, object]:
    """The same mapping under other names: every occurrence of a rule's left side is replaced."""
    result = {}
    for name, value in shapes.items():
        for old, new in rules.items():
            name = name.replace(old, new)
        result[name] = value
    return result


def write_header_only(folder: Path, shapes: Shapes) -> Path:
    """A safetensors file of true size that holds no values: a sparse file of bfloat16 tensors."""
    folder.mkdir(parents=True, exist_ok=True)
    header: dict[str, object] = {}
    offset = 0
    for name, shape in shapes.items():
        size = 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path = folder / "model.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + offset)
    return folder


def write_values(folder: Path, tensors: Mapping[str, np.ndarray]) -> Path:
    """A folder with one safetensors file."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(values) for name, values in tensors.items()}, folder / "model.safetensors")
    return folder
