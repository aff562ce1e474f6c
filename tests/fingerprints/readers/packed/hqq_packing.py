"""Weights packed by hqq itself, as its modules put them into a safetensors file."""

from __future__ import annotations

from typing import Any

import torch

State = dict[str, torch.Tensor]


def golden(library: Any) -> tuple[State, State]:
    """The weights of the golden files, in every packing along either axis: what is stored, and what it decodes to.

    Parameters
    ----------
    library
        `hqq.core.quantize`, 0.2.8.
    """
    draw = torch.Generator().manual_seed(20)
    stored: State = {}
    decoded: State = {}
    for bits in (1, 2, 3, 4, 8):
        for axis in (0, 1):
            linear = torch.nn.Linear(48, 32)
            linear.weight.data = torch.randn((32, 48), generator=draw) * 0.05
            linear.bias.data = torch.randn(32, generator=draw)
            config = library.BaseQuantizeConfig(nbits=bits, group_size=32, axis=axis)
            module = library.HQQLinear(linear, config, compute_dtype=torch.float32, device="cpu")
            name = f"bits{bits}axis{axis}"
            stored |= {f"{name}.{part}": value.detach() for part, value in module.state_dict().items()}
            decoded[f"{name}.weight"] = module.dequantize()
    return stored, decoded
