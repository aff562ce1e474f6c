"""What is done to the structure of a model, on the tensors of a Llama or Mixtral by name; each says what it kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.torch import load_file

BASES = Path(__file__).parents[1] / "bench" / "data" / "bases"
Tensors = dict[str, np.ndarray]
LAYER = re.compile(r"(model\.layers\.)(\d+)(\..*)")
READ = ("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj", "lm_head", "embed_tokens")
WRITTEN = ("o_proj", "down_proj")
GATED = ("gate_proj", "up_proj", "down_proj")
MIXTRAL = dict(zip(GATED, ("w1", "w3", "w2"), strict=True))
HEAD = 24
"""Rows of a head in the bases."""


def base(name: str) -> Tensors:
    """A shipped base in float32."""
    return {key: value.float().numpy() for key, value in load_file(BASES / name / "model.safetensors").items()}


def noisy(tensors: Tensors, amount: float, seed: int = 5) -> Tensors:
    """Every matrix moved by a share of its size, as training moves it."""
    rng = np.random.default_rng(seed)
    return {
        name: value + amount * value.std() * rng.standard_normal(value.shape, np.float32) if value.ndim > 1 else value
        for name, value in tensors.items()
    }


def relayered(tensors: Tensors, order: Sequence[int]) -> Tensors:
    """Layer `order[i]` as layer i."""
    found = {name: value for name, value in tensors.items() if not LAYER.fullmatch(name)}
    for new, old in enumerate(order):
        for name, value in tensors.items():
            if (match := LAYER.fullmatch(name)) and int(match[2]) == old:
                found[f"{match[1]}{new}{match[3]}"] = value
    return found


def with_identity_blocks(tensors: Tensors, order: Sequence[int | None]) -> Tensors:
    """LLaMA-Pro: for None the layer before once more, with nothing written to the residual stream."""
    copied = [order[place - 1] if old is None else old for place, old in enumerate(order)]
    found = relayered(tensors, [old for old in copied if old is not None])
    for name in found:
        match = LAYER.fullmatch(name)
        if match and order[int(match[2])] is None and any(part in name for part in WRITTEN):
            found[name] = np.zeros_like(found[name])
    return found


def with_neurons(tensors: Tensors, kept: np.ndarray) -> Tensors:
    """Some neurons of every MLP, in the given order."""
    found = dict(tensors)
    for name, value in tensors.items():
        if "gate_proj" in name or "up_proj" in name:
            found[name] = value[kept]
        elif "down_proj" in name:
            found[name] = value[:, kept]
    return found


def with_dimensions(tensors: Tensors, kept: np.ndarray) -> Tensors:
    """Some dimensions of the residual stream, in the given order."""
    return {
        name: value[kept] if value.ndim == 1 or any(part in name for part in WRITTEN) else value[:, kept]
        for name, value in tensors.items()
    }


def with_groups(tensors: Tensors, kept: Sequence[int], share: int = 2) -> Tensors:
    """Some groups of heads: keys and values of each, and the `share` queries that read them."""
    rows = np.concatenate([np.arange(group * HEAD, (group + 1) * HEAD) for group in kept])
    queries = np.concatenate([np.arange(group * share * HEAD, (group + 1) * share * HEAD) for group in kept])
    found = dict(tensors)
    for name, value in tensors.items():
        if "k_proj" in name or "v_proj" in name:
            found[name] = value[rows]
        elif "q_proj" in name:
            found[name] = value[queries]
        elif "o_proj" in name:
            found[name] = value[:, queries]
    return found


def padded(tensors: Tensors, neurons: int = 0, dimensions: int = 0) -> Tensors:
    """Wider by zeros, which leave the function as it is but for the norms."""
    found = {}
    for name, value in tensors.items():
        rows = columns = 0
        if any(part in name for part in WRITTEN) or value.ndim == 1:
            rows, columns = dimensions, neurons if "down_proj" in name else 0
        else:
            rows, columns = neurons if "gate_proj" in name or "up_proj" in name else 0, dimensions
        found[name] = np.pad(value, ((0, rows), (0, columns)) if value.ndim == 2 else ((0, rows),))
    return found


def grown(tensors: Tensors, further: int, seed: int = 3) -> Tensors:
    """Net2Net: some neurons twice, each with half of what it writes."""
    found = dict(tensors)
    for name, value in tensors.items():
        if "down_proj" in name:
            count = value.shape[1]
            twice = np.random.default_rng(seed).permutation(count)[:further]
            halves = value.copy()
            halves[:, twice] /= 2
            found[name] = np.concatenate([halves, halves[:, twice]], axis=1)
            for part in ("gate_proj", "up_proj"):
                rows = tensors[name.replace("down_proj", part)]
                found[name.replace("down_proj", part)] = np.concatenate([rows, rows[twice]])
    return found


def _mlps(tensors: Tensors) -> list[str]:
    return sorted(name.removesuffix("gate_proj.weight") for name in tensors if name.endswith("mlp.gate_proj.weight"))


def _without_mlps(tensors: Tensors) -> Tensors:
    return {name: value for name, value in tensors.items() if not any(f"mlp.{part}" in name for part in GATED)}


def _router(width: int, experts: int, seed: int) -> np.ndarray:
    return (0.02 * np.random.default_rng(seed).standard_normal((experts, width))).astype(np.float32)


def upcycled(tensors: Tensors, experts: int = 4, apart: float = 0.1) -> Tensors:
    """Mixtral-style: every expert starts as the dense MLP and goes its own way."""
    found = _without_mlps(tensors)
    for place, mlp in enumerate(_mlps(tensors)):
        moe = mlp.replace("mlp.", "block_sparse_moe.")
        found[f"{moe}gate.weight"] = _router(tensors[f"{mlp}gate_proj.weight"].shape[1], experts, place)
        for expert in range(experts):
            own = {f"{moe}experts.{expert}.{MIXTRAL[part]}.weight": tensors[f"{mlp}{part}.weight"] for part in GATED}
            found |= noisy(own, apart, seed=100 * place + expert)
    return found


def split(tensors: Tensors, experts: int = 8, redrawn: float = 0.5) -> Tensors:
    """Qwen-style: neurons dealt out to finer experts, each of them twice, and a share of each expert's drawn anew."""
    found = _without_mlps(tensors)
    for place, mlp in enumerate(_mlps(tensors)):
        rng = np.random.default_rng(place)
        count, width = tensors[f"{mlp}gate_proj.weight"].shape
        size = 2 * count // experts
        dealt = np.concatenate([rng.permutation(count), rng.permutation(count)]).reshape(experts, size)
        found[f"{mlp}gate.weight"] = _router(width, experts, place)
        for expert, neurons in enumerate(dealt):
            new = rng.permutation(size)[: int(redrawn * size)]
            for part in GATED:
                own = tensors[f"{mlp}{part}.weight"]
                own = own[:, neurons].copy() if part == "down_proj" else own[neurons]
                fresh = (own.std() * rng.standard_normal(own.shape)).astype(np.float32)
                at = (slice(None), new) if part == "down_proj" else (new,)
                own[at] = fresh[at]
                found[f"{mlp}experts.{expert}.{part}.weight"] = own
    return found


def with_experts(tensors: Tensors, kept: Sequence[int]) -> Tensors:
    """Some experts of a Mixtral, in the given order, with their rows of the router."""
    found = {}
    for name, value in tensors.items():
        match = re.fullmatch(r"(.*\.experts\.)(\d+)(\..*)", name)
        if match and int(match[2]) in kept:
            found[f"{match[1]}{list(kept).index(int(match[2]))}{match[3]}"] = value
        elif not match:
            found[name] = value[list(kept)] if name.endswith("block_sparse_moe.gate.weight") else value
    return found


def merged(tensors: Tensors) -> Tensors:
    """The mean of all experts as a dense MLP."""
    found = {name: value for name, value in tensors.items() if "block_sparse_moe" not in name}
    parts = {short: part for part, short in MIXTRAL.items()}
    experts: dict[str, list[np.ndarray]] = {}
    for name, value in tensors.items():
        if match := re.fullmatch(r"(.*)block_sparse_moe\.experts\.\d+\.(w\d)\.weight", name):
            experts.setdefault(f"{match[1]}mlp.{parts[match[2]]}.weight", []).append(value)
    return found | {name: np.mean(values, axis=0) for name, values in experts.items()}
