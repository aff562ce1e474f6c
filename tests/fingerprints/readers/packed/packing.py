"""Weights packed by bitsandbytes itself, under the names that transformers saves them by."""

from __future__ import annotations

from typing import Any

import torch

State = dict[str, torch.Tensor]


def four_bit(library: Any, name: str, weight: torch.Tensor, **options: Any) -> tuple[State, torch.Tensor]:
    """What is stored of a 4 bit weight, and the float32 that the library decodes it to."""
    packed, state = library.quantize_4bit(weight, **options)
    stored = {name: packed} | {f"{name}.{part}": value for part, value in state.as_dict(packed=True).items()}
    # In one row: the library's CPU code decodes rows that do not end with a block wrongly, and one row always does.
    state.shape = torch.Size((1, weight.numel()))
    state.dtype = torch.float32
    return stored, library.dequantize_4bit(packed, state).reshape(weight.shape)


def eight_bit(library: Any, module: str, weight: torch.Tensor) -> tuple[State, torch.Tensor]:
    """What is stored of an 8 bit weight, and the float32 that the library decodes it to."""
    packed, scales, _ = library.int8_vectorwise_quant(weight.half())
    stored = {
        f"{module}.weight": packed,
        f"{module}.SCB": scales,
        f"{module}.weight_format": torch.tensor(0, dtype=torch.uint8),
    }
    return stored, library.int8_vectorwise_dequant(packed, scales)


def golden(library: Any) -> tuple[State, State]:
    """The weights of the golden files: what is stored, and what it decodes to."""
    draw = torch.Generator().manual_seed(20)
    stored: State = {}
    decoded: State = {}
    for module, shape, options in (
        ("nested", (5, 33), {"quant_type": "nf4", "compress_statistics": True}),
        ("plain", (6, 96), {"quant_type": "nf4"}),
        ("halves", (4, 64), {"quant_type": "fp4", "quant_storage": torch.bfloat16}),
    ):
        weight = torch.randn(shape, generator=draw) * 0.05
        parts, decoded[f"{module}.weight"] = four_bit(library, f"{module}.weight", weight, **options)
        stored |= parts
    parts, decoded["integers.weight"] = eight_bit(library, "integers", torch.randn((4, 10), generator=draw))
    return stored | parts, decoded
