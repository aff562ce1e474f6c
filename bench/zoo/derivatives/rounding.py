"""Values rounded to another type, or to a quantiser's grid and back; every tensor keeps its name.

What is rounded to a grid is stored in the family's precision again, as the exports of quantised models are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import torch
from gguf import GGMLQuantizationType
from torch import Tensor

from bench.zoo import folder
from bench.zoo.derivatives.derivation import Derivation, Truth
from bench.zoo.derivatives.evaluation import loaded, loss
from bench.zoo.families import FAMILIES

NF4 = torch.tensor(
    [
        -1.0,
        -0.6961928009986877,
        -0.5250730514526367,
        -0.39491748809814453,
        -0.28444138169288635,
        -0.18477343022823334,
        -0.09105003625154495,
        0.0,
        0.07958029955625534,
        0.16093020141124725,
        0.24611230194568634,
        0.33791524171829224,
        0.44070982933044434,
        0.5626170039176941,
        0.7229568362236023,
        1.0,
    ]
)
"""The sixteen values of 4-bit NormalFloat, in units of a block's largest magnitude (arXiv 2305.14314, appendix E)."""
NF4_BLOCK = 64
GROUP = 32
"""Inputs that share a scale and a zero point in the affine grid."""
AFFINE_BITS = 4
GGML_BITS = {GGMLQuantizationType.Q8_0: 8, GGMLQuantizationType.Q4_0: 4}
GGML_BLOCK = 32

KEPT = ("embed_tokens", "embeddings", "wte", "wpe", "lm_head", "classifier", "block_sparse_moe.gate.")
"""Parts of names of embeddings, heads and routers, which quantisers of linear layers leave alone."""
INPUTS_FIRST = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
"""Ends of names of GPT-2's matrices, stored (inputs, outputs)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Affine:
    """A matrix on a 4-bit affine grid: value = scale (code - zero).

    `codes` is (outputs, inputs), 0..15; `scale`, which float16 holds exactly, and `zero`, 0..15, are (outputs, groups).
    """

    codes: Tensor
    scale: Tensor
    zero: Tensor

    def values(self) -> Tensor:
        """The matrix, (outputs, inputs)."""
        grouped = self.codes.unflatten(1, (self.scale.shape[1], -1))
        return (self.scale[..., None] * (grouped - self.zero[..., None])).flatten(1)


def grid(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and zero point of the values along the last axis, with 0 on the grid."""
    low, high = weight.amin(-1).clamp_max(0), weight.amax(-1).clamp_min(0)
    scale = ((high - low) / (2**AFFINE_BITS - 1)).half().clamp_min(torch.finfo(torch.half).tiny).to(weight.dtype)
    return scale, (-low / scale).round().clamp(0, 2**AFFINE_BITS - 1)


def nearest(weight: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
    """Codes of the grid's values next to `weight`."""
    return ((weight / scale).round() + zero).clamp(0, 2**AFFINE_BITS - 1)


def affine(weight: Tensor) -> Affine:
    """Round a matrix (outputs, inputs) to the nearest of 4-bit grids, one for each `GROUP` inputs of a row."""
    grouped = weight.unflatten(1, (-1, GROUP))
    scale, zero = grid(grouped)
    return Affine(codes=nearest(grouped, scale[..., None], zero[..., None]).flatten(1), scale=scale, zero=zero)


def affine_values(weight: Tensor) -> Tensor:
    """A matrix rounded to the affine grid."""
    return affine(weight).values()


def int8(weight: Tensor) -> Tensor:
    """Round to 8 bits, symmetric, each output (first axis) scaled by its largest magnitude."""
    scale = weight.abs().amax(dim=tuple(range(1, weight.ndim)), keepdim=True) / 127
    return (weight / scale.clamp_min(torch.finfo(weight.dtype).tiny)).round() * scale


def nf4(weight: Tensor) -> Tensor:
    """Round each block of 64 values to 4-bit NormalFloat, scaled by its largest magnitude (arXiv 2305.14314)."""
    blocks = weight.reshape(-1, NF4_BLOCK)
    scale = blocks.abs().amax(dim=1, keepdim=True)
    middles = (NF4[1:] + NF4[:-1]) / 2
    codes = torch.bucketize(blocks / scale.clamp_min(torch.finfo(weight.dtype).tiny), middles)
    return (NF4[codes] * scale).reshape(weight.shape)


def ggml(kind: GGMLQuantizationType) -> Callable[[Tensor], Tensor]:
    """Rounding of matrices to one of llama.cpp's block formats."""
    return lambda weight: torch.from_numpy(gguf.dequantize(gguf.quantize(weight.numpy(), kind), kind))


def linear(name: str, tensor: Tensor) -> bool:
    """Is it the weight of a linear or convolutional layer inside the network?"""
    return tensor.ndim > 1 and not any(part in name for part in KEPT)


def matrix(name: str, tensor: Tensor) -> bool:
    """Is it any weight of more than one axis? llama.cpp quantises all of them."""
    return tensor.ndim > 1


def rounded(tensors: Mapping[str, Tensor], rounding: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    """Every tensor rounded, outputs first while it is, in the precision it has."""
    result = {}
    for name, tensor in tensors.items():
        turned = name.endswith(INPUTS_FIRST)
        values = rounding((tensor.T if turned else tensor).float().contiguous())
        result[name] = (values.T if turned else values).to(tensor.dtype)
    return result


def relative_change(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> float:
    """Norm of the difference of the tensors named in `after`, in units of the norm of those in `before`."""
    squares = [
        ((after[name].double() - before[name].double()).square().sum(), before[name].double().square().sum())
        for name in after
    ]
    return float((sum(new for new, _ in squares) / sum(old for _, old in squares)) ** 0.5)


def cast(name: str, dtype: torch.dtype) -> Derivation:
    """Seed 0 of the llamas in another floating-point type."""
    called = str(dtype).removeprefix("torch.")

    def make(parents: Sequence[Path], target: Path) -> Truth:
        before = folder.weights(parents[0])
        after = {key: value.to(dtype) for key, value in before.items()}
        folder.write(target, after, folder.config(parents[0]) | {"dtype": called})
        changed = sum(int((after[key].double() != before[key].double()).sum()) for key in before)
        return Truth(
            relation="identical",
            kinds=({"kind": "dtype_cast"},),
            direction="a_to_b" if changed else "undirected",
            details={"dtype": called, "values_changed": changed},
        )

    return Derivation(name=f"llama-{name}", transform="cast", tool="torch", parents=("llama-0",), make=make)


def round_trip(
    family: str,
    name: str,
    rounding: Callable[[Tensor], Tensor],
    selected: Callable[[str, Tensor], bool],
    kind: Mapping[str, Any],
    tool: str = "torch",
) -> Derivation:
    """Seed 0 of a family with the selected tensors rounded to a grid."""

    def make(parents: Sequence[Path], target: Path) -> Truth:
        before = folder.weights(parents[0])
        after = rounded({key: value for key, value in before.items() if selected(key, value)}, rounding)
        folder.write(target, before | after, folder.config(parents[0]))
        details = {
            "tensors": len(after),
            "relative_change": round(relative_change(before, after), 6),
            "loss": loss(loaded(target, FAMILIES[family]), FAMILIES[family]),
        }
        return Truth(kinds=({"kind": "quantised", **kind},), details=details)

    return Derivation(
        name=f"{family}-{name}", transform="quantisation round trip", tool=tool, parents=(f"{family}-0",), make=make
    )


INT8 = {"bits": 8, "group_size": None, "scheme": "symmetric per output channel"}

DERIVATIONS = (
    cast("f16", torch.float16),
    cast("f32", torch.float32),
    *(
        round_trip(family, "int8", int8, linear, INT8)
        for family in ("llama", "bert", "gpt2", "mixtral", "qwen", "resnet")
    ),
    round_trip("llama", "nf4", nf4, linear, {"bits": 4, "group_size": NF4_BLOCK, "scheme": "nf4"}),
    round_trip("llama", "int4", affine_values, linear, {"bits": AFFINE_BITS, "group_size": GROUP, "scheme": "affine"}),
    *(
        round_trip(
            "llama",
            kind.name.lower(),
            ggml(kind),
            matrix,
            {"bits": bits, "group_size": GGML_BLOCK, "scheme": kind.name},
            tool="gguf",
        )
        for kind, bits in GGML_BITS.items()
    ),
)
