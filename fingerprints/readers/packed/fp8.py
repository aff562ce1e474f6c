"""Floats of 8 bits with scales beside them: one for the whole tensor, one a row or column, or one a block.

A weight is its float times its scale, under every name that scales go by: `weight_scale` (compressed-tensors, NVIDIA
ModelOpt, FBGEMM), `weight_scale_inv` and `scale` (DeepSeek), `scale_weight` (ComfyUI). `weight_scale_inv` is the
inverse of what the weight was multiplied with, and is multiplied with, too.

Formats: https://github.com/deepseek-ai/DeepSeek-V3/blob/main/README_WEIGHTS.md,
https://github.com/vllm-project/compressed-tensors, https://github.com/NVIDIA/Model-Optimizer
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fingerprints.readers.packed.scaled import scaled
from fingerprints.readers.packed.scheme import Tensors, Unpacked
from fingerprints.readers.packed.weight import FLOAT8, FP8, present, refused

_WEIGHT: Final = ".weight"


class Fp8:
    """Finds tensors of 8 bit floats that have a scale beside them."""

    name = "fp8"

    def unpack(self, tensors: Tensors, config: Mapping[str, Any]) -> Iterator[Unpacked]:
        """Yield the scaled weights; floats of 8 bits without a scale stay what they are."""
        claimed = _claimed_block(config)
        for name, tensor in tensors.items():
            if tensor.info.dtype not in FLOAT8:
                continue
            module = name.removesuffix(_WEIGHT)
            spellings = [f"{name}_scale", f"{name}_scale_inv"]
            # Scales of inputs and notes: bookkeeping of the same scheme, no part of the model's own weights.
            notes = [f"{name}_input_scale"]
            if module != name:
                spellings += [f"{module}.scale_weight", f"{module}.scale"]
                notes += [f"{module}.input_scale", f"{module}.scale_input", f"{module}.comfy_quant"]
            scales = present(tensors, *spellings)
            parts = (name, *scales, *present(tensors, *notes))
            if len(scales) > 1:
                reason = f"{len(scales)} tensors claim to be its scales"
                yield refused(name, tensors, parts, encoding=FP8[tensor.info.dtype], reason=reason)
            elif scales:
                yield scaled(name, tensors, parts, encoding=FP8[tensor.info.dtype], claimed=claimed)


def _claimed_block(config: Mapping[str, Any]) -> tuple[int, ...]:
    claims = config.get("quantization_config")
    block = claims.get("weight_block_size") if isinstance(claims, dict) else None
    if isinstance(block, list) and len(block) <= 8 and all(type(size) is int for size in block):
        return tuple(block)
    return ()
