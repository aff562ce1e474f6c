"""NVFP4: 4 bit floats with an 8 bit float for each 16 of them, and one scale for the whole tensor.

NVIDIA ModelOpt: `weight` (uint8, outputs x inputs / 2), `weight_scale` (F8_E4M3, outputs x inputs / 16) and
`weight_scale_2`, all multiplied. compressed-tensors: `weight_packed`, `weight_scale` and `weight_global_scale`, which
divides. Groups of 32 with powers of two for scales (uint8 or F8_E8M0, no scale for the whole) under the same names are
MXFP4. ComfyUI uses the same names and another order of scales, which `comfy_quant` gives away.

Formats: https://github.com/NVIDIA/Model-Optimizer, https://github.com/vllm-project/compressed-tensors
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import ml_dtypes
import numpy as np

from fingerprints.checkpoint import Array, Encoding
from fingerprints.readers.decoded_tensor import Rows
from fingerprints.readers.element_types import FLOATS
from fingerprints.readers.packed import e2m1
from fingerprints.readers.packed.rows import side_rows
from fingerprints.readers.packed.scheme import Tensors, Unpacked
from fingerprints.readers.packed.weight import assembled, float32, is_single, present, refused, row_size

_GROUP_OF: Final = {"F8_E4M3": 16, "U8": 32, "F8_E8M0": 32}
"""How many numbers share a scale, by the type of the scales."""


class Nvfp4:
    """Finds `weight` or `weight_packed` of bytes with scales of 8 bits beside them."""

    name = "nvfp4"

    def unpack(self, tensors: Tensors, config: Mapping[str, Any]) -> Iterator[Unpacked]:
        """Yield the weights that are stored as packed 4 bit floats with 8 bit floats for scales."""
        return packed_rows(tensors, "F8_E4M3")


def packed_rows(tensors: Tensors, *kinds: str) -> Iterator[Unpacked]:
    """Yield the weights that are packed along their last axis and have scales of one of the types `kinds`."""
    for part, tensor in tensors.items():
        name = part.removesuffix("_packed")
        scales = tensors.get(f"{name}_scale")
        known = tensor.info.dtype == "U8" and name.endswith("weight") and len(tensor.info.shape) >= 2
        if known and scales is not None and scales.info.dtype in kinds and (name == part or name not in tensors):
            yield _weight(name, tensors, part, scales.info.dtype)


def _weight(name: str, tensors: Tensors, packed_name: str, kind: str) -> Unpacked:
    packed, scales = tensors[packed_name], tensors[f"{name}_scale"]
    group = _GROUP_OF[kind]
    encoding = Encoding(scheme="nvfp4" if group == 16 else "mxfp4", bits=4, group_size=group)
    module = name.removesuffix("weight")
    factor, divisor = f"{name}_scale_2", f"{name}_global_scale"
    wholes = present(tensors, factor, divisor)
    # Scales of inputs and notes: bookkeeping of the same scheme, no part of the model's own weights.
    tiled = f"{module}comfy_quant"
    notes = present(tensors, f"{module}input_scale", f"{module}input_global_scale", tiled)
    parts = (packed_name, f"{name}_scale", *wholes, *notes)
    *outer, half = packed.info.shape
    shape = (*outer, 2 * half)
    per_row = (*outer, 2 * half // group)
    reason = None
    if tiled in tensors and group == 16:
        reason = f"its {list(scales.info.shape)} scales are in the tiles that a kernel of ComfyUI wants, not in rows"
    elif (2 * half) % group or scales.info.shape != per_row or 0 in shape:
        reason = f"{list(scales.info.shape)} scales do not cover {list(shape)} weights in groups of {group}"
    elif len(wholes) != (1 if group == 16 else 0):
        reason = f"{len(wholes)} scales of the whole tensor are there, and {1 if group == 16 else 0} should be"
    elif wholes and not (is_single(tensors[wholes[0]]) or tensors[wholes[0]].info.shape == shape[:1]):
        reason = f"{list(tensors[wholes[0]].info.shape)} scales of the whole tensor are there, and 1 should be"
    elif wholes and tensors[wholes[0]].info.dtype not in FLOATS:
        reason = f"the scale of the whole tensor is of the type {tensors[wholes[0]].info.dtype}"
    if reason is not None:
        return refused(name, tensors, parts, encoding=encoding, reason=reason, shape=shape)

    def decode(rows: Rows) -> tuple[Array, int]:
        raw, count = packed.take(rows)
        stored, more = scales.take(rows)
        count += more
        factors = float32(stored.view(ml_dtypes.float8_e8m0fnu) if kind == "U8" else stored)
        for whole in wholes:
            value, more = side_rows(tensors[whole], rows, factors.ndim)
            count += more
            with np.errstate(all="ignore"):
                factors = factors * value if whole == factor else factors / value
        return e2m1.decode(raw, factors), count

    row_bytes = row_size(packed) + row_size(scales) + sum(tensors[whole].info.nbytes for whole in wholes)
    return assembled(name, tensors, parts, shape=shape, encoding=encoding, decode=decode, row_bytes=row_bytes)
