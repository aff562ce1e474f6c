"""MLX: affine quantisation along the rows, as `mlx.core.quantize` writes it.

    weight[o, i] = scales[o, i // group_size] * code[o, i] + biases[o, i // group_size]

| tensor             | shape                         | holds                              |
|--------------------|-------------------------------|------------------------------------|
| `weight`           | (outputs, inputs * bits / 32) | codes; every row is a stream of fields |
| `scales`, `biases` | (outputs, groups)             | steps, and the values of code 0    |

Shapes give the product of bits and group size only; what config.json claims decides, then the usual group size.

Format: https://ml-explore.github.io/mlx/build/html/python/_autosummary/mlx.core.quantize.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from math import prod
from typing import Any, Final

import numpy as np

from fingerprints.checkpoint import Array, Encoding
from fingerprints.readers.decoded_tensor import Rows
from fingerprints.readers.element_types import FLOATS
from fingerprints.readers.packed.bits import WORD, unpack_all
from fingerprints.readers.packed.claims import claimed_number, packing_claims
from fingerprints.readers.packed.module import Module, Parts, modules_with
from fingerprints.readers.packed.rows import decode_rows, side_rows, spread
from fingerprints.readers.packed.scheme import Tensors, Unpacked

_BITS: Final = (2, 3, 4, 5, 6, 8)
_GROUP_SIZES: Final = (64, 32, 128)
"""Numbers of inputs that share a step; `mlx.core.quantize` takes the first unless told otherwise."""


class Mlx:
    """Finds modules with a `weight` of 32-bit words, `scales` and `biases`."""

    name = "mlx"

    def unpack(self, tensors: Tensors, config: Mapping[str, Any]) -> Iterator[Unpacked]:
        """Yield the weights that are packed in this way."""
        found = config.get("quantization")
        claims = found if isinstance(found, Mapping) else packing_claims(config)
        for module in modules_with(tensors, "weight", "scales", "biases"):
            if module.parts["weight"].info.dtype == "U32":
                own = claims.get(module.prefix.removesuffix("."))
                yield self._weight(module, [own, claims] if isinstance(own, Mapping) else [claims])

    def _weight(self, module: Module, claims: list[Mapping[str, Any]]) -> Unpacked:
        words, scales, biases = (module.parts[part].info for part in ("weight", "scales", "biases"))
        if scales.dtype not in FLOATS or biases.dtype not in FLOATS:
            reason = f"its scales are {scales.dtype} and its biases {biases.dtype}, not {' or '.join(FLOATS)}"
            return module.refused(self.name, reason)
        rank = len(words.shape)
        if scales.shape != biases.shape or rank < 2 or scales.shape[:-1] != words.shape[:-1] or not scales.shape[-1]:
            reason = f"it has the shape {words.shape}, its scales {scales.shape} and its biases {biases.shape}"
            return module.refused(self.name, reason)
        layout = _layout(words.shape[-1], scales.shape[-1], claims)
        if layout is None:
            reason = f"no bits and group size fit {words.shape[-1]} words and {scales.shape[-1]} groups a row"
            return module.refused(self.name, reason)
        bits, width = layout
        shape = (*words.shape[:-1], scales.shape[-1] * width)
        stored = sum(part.info.nbytes for part in module.parts.values())
        compute = partial(_compute, parts=module.parts, bits=bits, width=width, inputs=shape[-1])
        return module.assembled(
            shape,
            Encoding(scheme=self.name, bits=bits, group_size=width),
            decode=lambda indices: decode_rows(shape, indices, compute),
            row_bytes=stored // max(shape[0], 1) if prod(shape) else 0,
        )


def _layout(words: int, groups: int, claims: list[Mapping[str, Any]]) -> tuple[int, int] | None:
    """Return the bits and the group size that rows of so many words and groups have."""
    fitting = [(bits, width) for width in _GROUP_SIZES for bits in _BITS if groups * width * bits == words * WORD]
    for claim in claims:
        claimed = (claimed_number(claim, "bits"), claimed_number(claim, "group_size"))
        for layout in fitting:
            if layout == claimed:
                return layout
    return fitting[0] if fitting else None


def _compute(indices: Rows, *, parts: Parts, bits: int, width: int, inputs: int) -> tuple[Array, int]:
    words, read = parts["weight"].take(indices)
    scales, more = side_rows(parts["scales"], indices, words.ndim)
    biases, most = side_rows(parts["biases"], indices, words.ndim)
    group = np.arange(inputs, dtype=np.int64) // width
    weight: Array = unpack_all(words, bits, inputs) * spread(scales, group)
    weight += spread(biases, group)
    return weight, read + more + most
