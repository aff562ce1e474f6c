"""Copies of the big random checkpoints: layers in another order, or the whole disguised as thoroughly as can be.

Tensors are changed one at a time, in float32, and rounded to bfloat16 again. A disguise keeps the function of a Llama:
gains are folded, the residual stream is rotated (a Kronecker product of two rotations, signs and an order, so that this
costs little), neurons are re-ordered and scaled, heads re-ordered in their groups, queries and keys turned in the
planes of their rotary angles, values and outputs mixed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt

from bench import shapes
from bench.zoo.llama import LlamaConfig
from fingerprints.checkpoint import Checkpoint
from fingerprints.values import widened

Floats32 = npt.NDArray[np.float32]
Change = Callable[[str, Floats32], Floats32]
SPREAD = 0.5
"""Standard deviation of the logarithm of factors."""
_LAYER = re.compile(r"model\.layers\.(\d+)\.(.*)")


def changed(source: Checkpoint, change: Change, origin: Callable[[str], str] = str) -> shapes.Fill:
    """Every tensor of a checkpoint changed; `origin` says of which one a tensor is made."""

    def fill(name: str, shape: tuple[int, ...]) -> Iterator[npt.NDArray[Any]]:
        taken = origin(name)
        values = change(name, widened(source.rows(taken, 0, shape[0])))
        yield np.ascontiguousarray(values).astype(ml_dtypes.bfloat16).view(np.uint16)

    return fill


def reordered(source: Checkpoint, order: Sequence[int], noise: float) -> shapes.Fill:
    """Layer i is layer `order[i]` of the source; every matrix with `noise` times its own deviation on top."""

    def origin(name: str) -> str:
        found = _LAYER.fullmatch(name)
        return f"model.layers.{order[int(found[1])]}.{found[2]}" if found else name

    def change(name: str, values: Floats32) -> Floats32:
        return values if values.ndim == 1 else values + noise * _noise(name, values)

    return changed(source, change, origin)


def _noise(name: str, values: Floats32) -> Floats32:
    bits = np.concatenate(list(shapes.values(f"noise/{name}", values.size, 0))).reshape(values.shape)
    drawn = (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return drawn * np.float32(values.std() / shapes.DEVIATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    """What is done to one layer: orders, factors and bases."""

    neurons: npt.NDArray[np.int64]
    factors: Floats32
    groups: npt.NDArray[np.int64]
    heads: npt.NDArray[np.int64]
    planes: Floats32
    mixing: Floats32
    unmixing: Floats32


class Disguise:
    """A change of all tensors of a Llama that leaves what it computes as it is.

    Parameters
    ----------
    source : Checkpoint
    config : LlamaConfig
        Its sizes; the layer's norm gains are read from `source`.
    """

    def __init__(self, source: Checkpoint, config: LlamaConfig, seed: int = 0) -> None:
        self._source, self._config = source, config
        rng = np.random.default_rng(seed)
        width = config.hidden
        small = next(n for n in range(isqrt(width), 0, -1) if width % n == 0)
        self._left, self._right = _rotation(small, rng), _rotation(width // small, rng)
        self._signs = rng.choice([-1.0, 1.0], width).astype(np.float32)
        self._order = rng.permutation(width)
        self._layers = [self._layer(np.random.default_rng([seed, number])) for number in range(config.layers)]

    def __call__(self, name: str, values: Floats32) -> Floats32:
        """The disguised values of a tensor."""
        if values.ndim == 1:
            return np.ones_like(values)
        found = _LAYER.fullmatch(name)
        if found is None:
            return self._turned(values * self._gain("model.norm") if "lm_head" in name else values)
        layer, module = self._layers[int(found[1])], found[2].removesuffix(".weight")
        prefix = f"model.layers.{found[1]}."
        if module == "mlp.down_proj":
            return self._turned(values.T[layer.neurons] / layer.factors[:, np.newaxis]).T
        if module.startswith("mlp."):
            values = (values * self._gain(f"{prefix}post_attention_layernorm"))[layer.neurons]
            return self._turned(values * layer.factors[:, np.newaxis] if module == "mlp.up_proj" else values)
        shared = self._config.heads // self._config.kv_heads
        if module == "self_attn.o_proj":
            heads = self._heads(values.T)[layer.heads]
            return self._turned(np.matmul(layer.unmixing[layer.heads // shared], heads).reshape(values.T.shape)).T
        heads = self._heads(values * self._gain(f"{prefix}input_layernorm"))
        if module == "self_attn.q_proj":
            heads = np.matmul(layer.planes[layer.heads // shared], heads[layer.heads])
        elif module == "self_attn.k_proj":
            heads = np.matmul(layer.planes[layer.groups], heads[layer.groups])
        else:
            heads = np.matmul(layer.mixing[layer.groups], heads[layer.groups])
        return self._turned(heads.reshape(values.shape))

    def _layer(self, rng: np.random.Generator) -> _Layer:
        config = self._config
        size, shared = config.hidden // config.heads, config.heads // config.kv_heads
        groups = rng.permutation(config.kv_heads)
        angles = rng.uniform(0, 2 * np.pi, (config.kv_heads, size // 2))
        planes, half = np.zeros((config.kv_heads, size, size), np.float32), np.arange(size // 2)
        planes[:, half, half] = planes[:, half + size // 2, half + size // 2] = np.cos(angles)
        planes[:, half + size // 2, half] = np.sin(angles)
        planes[:, half, half + size // 2] = -np.sin(angles)
        mixing = np.stack(
            [_rotation(size, rng) @ np.diag(_factors(size, rng)) @ _rotation(size, rng) for _ in range(config.kv_heads)]
        ).astype(np.float32)
        return _Layer(
            neurons=rng.permutation(config.intermediate),
            factors=_factors(config.intermediate, rng)
            * rng.choice([-1.0, 1.0], config.intermediate).astype(np.float32),
            groups=groups,
            heads=np.concatenate([group * shared + rng.permutation(shared) for group in groups]),
            planes=planes,
            mixing=mixing,
            unmixing=np.linalg.inv(mixing.astype(np.float64)).transpose(0, 2, 1).astype(np.float32),
        )

    def _gain(self, module: str) -> Floats32:
        name = f"{module}.weight"
        return widened(self._source.rows(name, 0, self._config.hidden))

    def _heads(self, rows: Floats32) -> Floats32:
        return rows.reshape(-1, self._config.hidden // self._config.heads, rows.shape[1])

    def _turned(self, rows: Floats32) -> Floats32:
        """Rows in the other basis of the stream."""
        grid = (rows * self._signs).reshape(len(rows), len(self._left), len(self._right))
        return np.matmul(np.matmul(self._left, grid), self._right).reshape(rows.shape)[:, self._order]


def _rotation(size: int, rng: np.random.Generator) -> Floats32:
    q, r = np.linalg.qr(rng.standard_normal((size, size)))
    return (q * np.sign(np.diag(r))).astype(np.float32)


def _factors(size: int, rng: np.random.Generator) -> Floats32:
    return np.exp(SPREAD * rng.standard_normal(size)).astype(np.float32)
