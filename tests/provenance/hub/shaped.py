"""A model of 7 billion parameters that takes no room: real headers, and values that are made as they are asked for."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.provenance.hub.server import Asked, Fault, Handler

WIDTH, INNER, VOCABULARY, LAYERS = 4096, 11008, 32000, 32
BLOCK = 1 << 16


def seven_billion(folder: Path) -> Path:
    """Write the shards of a Llama of 7 billion parameters, sparse, with its index and configuration."""
    folder.mkdir()
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (VOCABULARY, WIDTH)}
    for layer in range(LAYERS):
        stem = f"model.layers.{layer}"
        shapes |= {f"{stem}.self_attn.{part}_proj.weight": (WIDTH, WIDTH) for part in "qkvo"}
        shapes |= {f"{stem}.mlp.{part}_proj.weight": (INNER, WIDTH) for part in ("gate", "up")}
        shapes[f"{stem}.mlp.down_proj.weight"] = (WIDTH, INNER)
        shapes |= {f"{stem}.{part}_layernorm.weight": (WIDTH,) for part in ("input", "post_attention")}
    shapes |= {"model.norm.weight": (WIDTH,), "lm_head.weight": (VOCABULARY, WIDTH)}
    shards: list[dict[str, tuple[int, ...]]] = [{}]
    for name, shape in shapes.items():
        if sum(2 * int(np.prod(each)) for each in shards[-1].values()) > 4_900_000_000:
            shards.append({})
        shards[-1][name] = shape
    weight_map: dict[str, str] = {}
    for number, tensors in enumerate(shards, 1):
        name = f"model-{number:05}-of-{len(shards):05}.safetensors"
        header, at = {}, 0
        for tensor, shape in tensors.items():
            end = at + 2 * int(np.prod(shape))
            header[tensor] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, end]}
            at, weight_map[tensor] = end, name
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with (folder / name).open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            file.truncate(8 + len(text) + at)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    config = {"model_type": "llama", "hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 32}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def values(seeds: dict[str, int]) -> Fault:
    """Answer for the shards of repositories with normal values in bfloat16 from a seed each, headers as they are."""

    def fault(handler: Handler, path: Path, asked: Asked) -> bool:
        if path.suffix != ".safetensors" or asked.span is None:
            return False
        start, stop = asked.span
        with path.open("rb") as file:
            begin = 8 + int.from_bytes(file.read(8), "little")
            file.seek(start)
            body = bytearray(file.read(max(min(begin, stop) - start, 0)))
        at = start + len(body)
        number = int(path.name[6:11])
        repository = "/".join(asked.path.split("/")[1:3])
        while at < stop:
            block, within = divmod(at - begin, BLOCK)
            random = np.random.default_rng((seeds[repository], number, block))
            floats = random.standard_normal(BLOCK // 2, dtype=np.float32) * np.float32(0.02)
            stored = (floats.view(np.uint32) >> 16).astype("<u2").tobytes()
            body += stored[within : within + stop - at]
            at = start + len(body)
        handler.answer(
            206, bytes(body), ETag=f'"{number}"', Content_Range=f"bytes {start}-{stop - 1}/{path.stat().st_size}"
        )
        return True

    return fault
