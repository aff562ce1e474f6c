"""Quantised checkpoints packed as their loaders want them, or as plain matrices again; and FP8.

GPTQ is packed in AutoGPTQ's layout, AWQ in that of AutoAWQ's GEMM kernel; FP8 is as vLLM reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from bench.zoo import bases, folder, text, tokenizer
from bench.zoo.derivatives import evaluation
from bench.zoo.derivatives.calibrated import DAMPING, by_awq, by_gptq
from bench.zoo.derivatives.derivation import Derivation, Truth
from bench.zoo.derivatives.rounding import AFFINE_BITS, GROUP, Affine, linear
from bench.zoo.families import FAMILIES, LENGTH
from bench.zoo.train import generator

FAMILY = FAMILIES["llama"]
WINDOWS = 64
"""Windows of the fine-tuning text for calibration."""
PER_WORD = 8
IN_ORDER = tuple(range(PER_WORD))
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
"""Column of each eight whose code AutoAWQ's GEMM layout puts at each place of a word, lowest bits first."""
FP8 = torch.float8_e4m3fn
FP8_CONFIG = {"quant_method": "fp8", "activation_scheme": "dynamic", "ignored_layers": ["lm_head"]}


def pack(codes: Tensor, order: Sequence[int] = IN_ORDER) -> Tensor:
    """Eight 4-bit codes to an int32 word, (..., 8 n) to (..., n); place i, lowest first, holds code `order[i]`."""
    shifts = torch.arange(PER_WORD) * AFFINE_BITS
    words = (codes.to(torch.int64).unflatten(-1, (-1, PER_WORD))[..., list(order)] << shifts).sum(-1)
    return (words - ((words >> 31) << 32)).to(torch.int32)


def unpack(words: Tensor, order: Sequence[int] = IN_ORDER) -> Tensor:
    """The codes of `pack`, int64, 0..15."""
    shifts = torch.arange(PER_WORD) * AFFINE_BITS
    places = (words.to(torch.int64)[..., None] >> shifts) & (2**AFFINE_BITS - 1)
    return places[..., torch.tensor(order).argsort()].flatten(-2)


def pack_gptq(matrix: Affine) -> dict[str, Tensor]:
    """AutoGPTQ's tensors of a matrix: zero points are stored less 1, modulo 16, as its first version did."""
    return {
        "qweight": pack(matrix.codes).T,
        "qzeros": pack((matrix.zero.T - 1) % 2**AFFINE_BITS),
        "scales": matrix.scale.T.half(),
        "g_idx": torch.arange(matrix.codes.shape[1], dtype=torch.int32) // GROUP,
    }


def unpack_gptq(tensors: Mapping[str, Tensor]) -> Affine:
    """The matrix of `pack_gptq`; groups lie in order."""
    return Affine(
        codes=unpack(tensors["qweight"].T).float(),
        scale=tensors["scales"].T.float(),
        zero=((unpack(tensors["qzeros"]).T + 1) % 2**AFFINE_BITS).float(),
    )


def pack_awq(matrix: Affine) -> dict[str, Tensor]:
    """AutoAWQ's tensors of a matrix, in the layout of its GEMM kernel."""
    return {
        "qweight": pack(matrix.codes.T, AWQ_ORDER),
        "qzeros": pack(matrix.zero.T, AWQ_ORDER),
        "scales": matrix.scale.T.half(),
    }


def unpack_awq(tensors: Mapping[str, Tensor]) -> Affine:
    """The matrix of `pack_awq`."""
    return Affine(
        codes=unpack(tensors["qweight"], AWQ_ORDER).T.float(),
        scale=tensors["scales"].T.float(),
        zero=unpack(tensors["qzeros"], AWQ_ORDER).T.float(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A quantiser and its layout.

    `quantise` changes the model's layers to the values it returns, by name; `folds` says that it also scales norms and
    rows, which leaves the function as it was.
    """

    name: str
    quantise: Callable[[PreTrainedModel, Tensor], dict[str, Affine]]
    pack: Callable[[Affine], dict[str, Tensor]]
    settings: Mapping[str, Any]
    folds: bool

    @property
    def kind(self) -> dict[str, Any]:
        """What it does to the values, as the result puts it."""
        return {"kind": "quantised", "bits": AFFINE_BITS, "group_size": GROUP, "scheme": self.name}


GPTQ = Method(
    name="gptq",
    quantise=by_gptq,
    pack=pack_gptq,
    settings={
        "quant_method": "gptq",
        "bits": AFFINE_BITS,
        "group_size": GROUP,
        "damp_percent": DAMPING,
        "desc_act": False,
        "static_groups": False,
        "sym": False,
        "true_sequential": True,
        "checkpoint_format": "gptq",
    },
    folds=False,
)
AWQ = Method(
    name="awq",
    quantise=by_awq,
    pack=pack_awq,
    settings={
        "quant_method": "awq",
        "bits": AFFINE_BITS,
        "group_size": GROUP,
        "zero_point": True,
        "version": "gemm",
        "modules_to_not_convert": None,
    },
    folds=True,
)


def calibration() -> Tensor:
    """Random windows of the text that the base did not see, (windows, length)."""
    return text.windows(tokenizer.fine_tuning(), WINDOWS, LENGTH, generator("packing", "calibration"))


def quantised(method: Method, packed: bool) -> Derivation:
    """Seed 0 of the llamas quantised by a method, packed beside float16 tensors, or plain under the base's names."""

    def make(parents: Sequence[Path], target: Path) -> Truth:
        model = bases.load(parents[0], FAMILY)
        before = evaluation.loss(model, FAMILY)
        layers = method.quantise(model, calibration())
        details = {"base_loss": before, "loss": evaluation.loss(model, FAMILY)}
        settings = folder.config(parents[0])
        plain = {name: model.state_dict()[name] for name in folder.weights(parents[0])}
        truth = Truth(kinds=(method.kind,), transforms=("channel_scales",) if method.folds else (), details=details)
        if not packed:
            folder.write(target, {name: tensor.to(FAMILY.dtype) for name, tensor in plain.items()}, settings)
            return truth
        renames = {f"{name}.weight": f"{name}.qweight" for name in layers}
        tensors = {name: tensor.half() for name, tensor in plain.items() if name not in renames}
        for name, matrix in layers.items():
            tensors |= {f"{name}.{part}": value for part, value in method.pack(matrix).items()}
        folder.write(target, tensors, settings | {"dtype": "float16", "quantization_config": method.settings})
        container = {"kind": "container", "format": method.name}
        return replace(truth, kinds=(method.kind, {"kind": "dtype_cast"}, container), renames=renames)

    return Derivation(
        name=f"llama-{method.name}-{'packed' if packed else 'dequantised'}",
        transform=f"quantisation by {method.name.upper()}, {'packed' if packed else 'dequantised'}",
        tool="bench",
        parents=("llama-0",),
        make=make,
    )


def fp8(parents: Sequence[Path], target: Path) -> Truth:
    """Linear layers as float8 with one scale each: value = weight * weight_scale. The rest stays as it is."""
    before = folder.weights(parents[0])
    tensors = {}
    for name, tensor in before.items():
        if linear(name, tensor):
            scale = tensor.float().abs().max() / torch.finfo(FP8).max
            tensors |= {name: (tensor.float() / scale).to(FP8), f"{name}_scale": scale}
        else:
            tensors[name] = tensor
    folder.write(target, tensors, folder.config(parents[0]) | {"quantization_config": FP8_CONFIG})
    return Truth(kinds=({"kind": "quantised", "bits": 8, "group_size": None, "scheme": "fp8_e4m3"},))


DERIVATIONS = (
    *(quantised(method, packed) for method in (GPTQ, AWQ) for packed in (True, False)),
    Derivation(name="llama-fp8", transform="quantisation to FP8", tool="torch", parents=("llama-0",), make=fp8),
)
