"""Big checkpoints of random values in the shapes of real Llamas, for measuring speed and memory.

Every value is drawn: weights from N(0, .02), gains from N(1, .02), in bfloat16. Each tensor has a random stream of its
own, so that two seeds are independent in every tensor. The files are written as a stream (safetensors' own writer
wants a whole shard in memory) and are meant to be deleted: use `checkpoints`.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache as once
from pathlib import Path
from statistics import NormalDist

import ml_dtypes
import numpy as np

from bench.zoo import cache
from bench.zoo.llama import LlamaConfig

Fill = Callable[[str, tuple[int, ...]], Iterator[np.ndarray]]

SHAPES = {
    "150m": LlamaConfig(layers=8, hidden=1024, intermediate=2816, heads=16, kv_heads=16, vocabulary=32_000),
    "320m": LlamaConfig(layers=20, hidden=1024, intermediate=2816, heads=16, kv_heads=16, vocabulary=32_000),
    "1.1b": LlamaConfig(layers=24, hidden=1792, intermediate=5632, heads=28, kv_heads=28, vocabulary=32_000),
    "3b": LlamaConfig(layers=28, hidden=3072, intermediate=8192, heads=24, kv_heads=8, vocabulary=32_000),
    "2.5b": LlamaConfig(layers=22, hidden=3072, intermediate=8192, heads=24, kv_heads=8, vocabulary=32_000),
    "7b": LlamaConfig(layers=32, hidden=4096, intermediate=11_008, heads=32, kv_heads=32, vocabulary=32_000),
}
DEVIATION = 0.02
SHARD = 4 * 10**9
MARGIN = 4 * 10**9
"""Bytes that must stay free on the disk."""
BLOCK = 4 * 1024**2
"""Values drawn at a time."""


class DiskFullError(Exception):
    """Too little free disk space; `needed` and `free` in bytes."""

    def __init__(self, needed: int, free: int) -> None:
        super().__init__(f"needs {needed / 1e9:.1f} GB of free disk space, there are {free / 1e9:.1f} GB")
        self.needed = needed
        self.free = free


def tensors(config: LlamaConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a Llama's tensors, in the order of its layers."""
    width, mlp = config.hidden, config.intermediate
    keys = width // config.heads * config.kv_heads
    layer = {
        "input_layernorm": (width,),
        "mlp.down_proj": (width, mlp),
        "mlp.gate_proj": (mlp, width),
        "mlp.up_proj": (mlp, width),
        "post_attention_layernorm": (width,),
        "self_attn.k_proj": (keys, width),
        "self_attn.o_proj": (width, width),
        "self_attn.q_proj": (width, width),
        "self_attn.v_proj": (keys, width),
    }
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (config.vocabulary, width)}
    for number in range(config.layers):
        shapes |= {f"model.layers.{number}.{name}.weight": shape for name, shape in layer.items()}
    return shapes | {"model.norm.weight": (width,), "lm_head.weight": (config.vocabulary, width)}


def size(config: LlamaConfig) -> int:
    """Bytes of one checkpoint's values."""
    return sum(2 * math.prod(shape) for shape in tensors(config).values())


def write(folder: Path, config: LlamaConfig, seed: int, shard: int = SHARD) -> Path:
    """Write one random checkpoint; see `store`."""
    return store(folder, config, lambda name, shape: values(name, math.prod(shape), seed), shard)


def store(folder: Path, config: LlamaConfig, fill: Fill, shard: int = SHARD) -> Path:
    """Write one checkpoint in shards of at most about `shard` bytes, with index and `config.json`.

    `fill` gives the values of a tensor, by name and shape, as blocks of bfloat16 bits.
    """
    folder.mkdir(parents=True)
    shards: list[dict[str, tuple[int, ...]]] = [{}]
    room = shard
    for name, shape in tensors(config).items():
        room -= 2 * math.prod(shape)
        if room < 0 and shards[-1]:
            shards.append({})
            room = shard - 2 * math.prod(shape)
        shards[-1][name] = shape
    weight_map = {}
    for number, part in enumerate(shards, start=1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        _write_shard(folder / file, part, fill)
        weight_map |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": size(config)}, "weight_map": dict(sorted(weight_map.items()))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")
    (folder / "config.json").write_text(json.dumps(config.to_json(), indent=2) + "\n")
    return folder


@contextmanager
def checkpoints(config: LlamaConfig, seeds: tuple[int, ...], *, free: int = 0) -> Iterator[list[Path]]:
    """Folders of one random checkpoint a seed, deleted at the end whatever happens; see `space`."""
    with space(config, len(seeds), free=free) as folder:
        yield [write(folder / f"seed_{seed}", config, seed) for seed in seeds]


@contextmanager
def space(config: LlamaConfig, count: int, *, free: int = 0) -> Iterator[Path]:
    """A folder with room for `count` checkpoints, deleted at the end whatever happens.

    Raises
    ------
    DiskFullError
        Less disk space is free than the files and `MARGIN` need, or less than `free` bytes.
    """
    parent = cache.root() / "shapes"
    parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(parent)
    needed = max(count * size(config) + MARGIN, free)
    available = shutil.disk_usage(parent).free
    if available < needed:
        raise DiskFullError(needed, available)
    folder = parent / f"{os.getpid()}"
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@once
def quantiles(mean: float) -> np.ndarray:
    """The 65,536 equally likely bfloat16 values, as their bits, of N(mean, `DEVIATION`)."""
    law = NormalDist(mean, DEVIATION)
    values = np.array([law.inv_cdf((rank + 0.5) / 2**16) for rank in range(2**16)], dtype=np.float32)
    return values.astype(ml_dtypes.bfloat16).view(np.uint16)


def values(name: str, count: int, seed: int) -> Iterator[np.ndarray]:
    """The values of one tensor as blocks of bfloat16 bits, from a stream that only its name and the seed name."""
    entropy = int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest(), "little")
    stream = np.random.Generator(np.random.SFC64(entropy))
    table = quantiles(1.0 if re.search(r"norm\.weight$", name) else 0.0)
    for start in range(0, count, BLOCK):
        wanted = min(BLOCK, count - start)
        ranks = stream.integers(0, 2**64, -(-wanted // 4), dtype=np.uint64).view(np.uint16)
        yield table[ranks[:wanted]]


def _write_shard(path: Path, shapes: dict[str, tuple[int, ...]], fill: Fill) -> None:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes.items():
        start, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, shape in shapes.items():
            for block in fill(name, shape):
                file.write(block)


def _remove_leftovers(parent: Path) -> None:
    """Delete what a killed process left: folders are named by the process that made them."""
    for folder in parent.iterdir():
        if not Path(f"/proc/{folder.name}").exists():
            shutil.rmtree(folder, ignore_errors=True)
