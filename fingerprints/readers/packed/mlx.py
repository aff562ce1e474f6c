"""MLX: affine quantisation along the rows, as `mlx.core.quantize` writes it.

    weight[o, i] = scales[o, i // group_size] * code[o, i] + biases[o, i // group_size]

| tensor             | shape                         | holds                              |
|--------------------|-------------------------------|------------------------------------|
| `weight`           | (outputs, inputs * bits / 32) | codes; every row is a stream of fields |
| `scales`, `biases` | (outputs, groups)             | steps, and the values of code 0    |

The shapes of one weight give the product of bits and group size only. What config.json claims decides; then the
lengths in the rest of the checkpoint, which the inputs of most weights have to agree with; then the usual group size.

Format: https://ml-explore.github.io/mlx/build/html/python/_autosummary/mlx.core.quantize.html
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
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

Layout = tuple[int, int]
"""Bits of a code, and inputs that share a step."""


class Mlx:
    """Finds modules with a `weight` of 32-bit words, `scales` and `biases`."""

    name = "mlx"

    def unpack(self, tensors: Tensors, config: Mapping[str, Any]) -> Iterator[Unpacked]:
        """Yield the weights that are packed in this way."""
        found = config.get("quantization")
        claims = found if isinstance(found, Mapping) else packing_claims(config)
        modules = [
            module
            for module in modules_with(tensors, "weight", "scales", "biases")
            if module.parts["weight"].info.dtype == "U32"
        ]
        likeliest = _likeliest(modules, tensors)
        for module in modules:
            own = claims.get(module.prefix.removesuffix("."))
            layout = _claimed(module, [own, claims] if isinstance(own, Mapping) else [claims])
            fitting = _fitting(module)
            taken = layout or likeliest.get(fitting)
            guess = _guess(taken, fitting) if taken and not layout and len(fitting) > 1 else ""
            yield self._weight(module, taken, guess)

    def _weight(self, module: Module, layout: Layout | None, guess: str) -> Unpacked:
        words, scales, biases = (module.parts[part].info for part in ("weight", "scales", "biases"))
        if scales.dtype not in FLOATS or biases.dtype not in FLOATS:
            reason = f"its scales are {scales.dtype} and its biases {biases.dtype}, not {' or '.join(FLOATS)}"
            return module.refused(self.name, reason)
        rank = len(words.shape)
        if scales.shape != biases.shape or rank < 2 or scales.shape[:-1] != words.shape[:-1] or not scales.shape[-1]:
            reason = f"it has the shape {words.shape}, its scales {scales.shape} and its biases {biases.shape}"
            return module.refused(self.name, reason)
        if layout is None:
            reason = f"no bits and group size fit {words.shape[-1]} words and {scales.shape[-1]} groups a row"
            return module.refused(self.name, reason)
        bits, width = layout
        shape = (*words.shape[:-1], scales.shape[-1] * width)
        stored = sum(part.info.nbytes for part in module.parts.values())
        compute = partial(_compute, parts=module.parts, bits=bits, width=width, inputs=shape[-1])
        weight = module.assembled(
            shape,
            Encoding(scheme=self.name, bits=bits, group_size=width),
            decode=lambda indices: decode_rows(shape, indices, compute),
            row_bytes=stored // max(shape[0], 1) if prod(shape) else 0,
        )
        return replace(weight, inferred=guess)


def _fitting(module: Module) -> tuple[Layout, ...]:
    """Return the layouts that rows of so many words and groups may have, the usual one first."""
    words, groups = (module.parts[part].info.shape for part in ("weight", "scales"))
    if len(words) < 2 or not groups or not groups[-1]:
        return ()
    fields = words[-1] * WORD
    return tuple((bits, width) for width in _GROUP_SIZES for bits in _BITS if groups[-1] * width * bits == fields)


def _claimed(module: Module, claims: list[Mapping[str, Any]]) -> Layout | None:
    """Return the layout that the first claim which fits is about."""
    fitting = _fitting(module)
    for claim in claims:
        claimed = (claimed_number(claim, "bits"), claimed_number(claim, "group_size"))
        for layout in fitting:
            if layout == claimed:
                return layout
    return None


def _guess(taken: Layout, fitting: tuple[Layout, ...]) -> str:
    """Return in words which of several layouts a weight was taken to have."""
    others = " or ".join(f"{bits} in groups of {width}" for bits, width in fitting if (bits, width) != taken)
    return (
        f"{taken[0]} bits in groups of {taken[1]}, by lengths elsewhere in the checkpoint; their shapes also fit"
        f" {others}, and config.json says none of these"
    )


def _likeliest(modules: list[Module], tensors: Tensors) -> dict[tuple[Layout, ...], Layout]:
    """Return which of the layouts that fit makes the inputs of most weights as many as a length elsewhere.

    Inputs of a matrix are outputs of another and the length of a norm. Weights that the same layouts fit have their
    say together, as one wrong length may happen to occur. The first of equals is taken.
    """
    parts = {module.prefix + part for module in modules for part in module.parts}
    lengths = Counter(length for name, tensor in tensors.items() if name not in parts for length in tensor.info.shape)
    alike: dict[tuple[Layout, ...], list[tuple[int, int]]] = defaultdict(list)
    for module in modules:
        if fitting := _fitting(module):
            outputs = module.parts["weight"].info.shape[-2]
            lengths[outputs] += 1
            alike[fitting].append((outputs, module.parts["scales"].info.shape[-1]))

    def agreeing(layout: Layout, rows: list[tuple[int, int]]) -> int:
        """Count the weights whose inputs are as many as a length that is not that of their own outputs."""
        inputs = [(outputs, groups * layout[1]) for outputs, groups in rows]
        return sum(lengths[length] > (length == outputs) for outputs, length in inputs)

    return {fitting: max(fitting, key=lambda layout: agreeing(layout, rows)) for fitting, rows in alike.items()}


def _compute(indices: Rows, *, parts: Parts, bits: int, width: int, inputs: int) -> tuple[Array, int]:
    words, read = parts["weight"].take(indices)
    scales, more = side_rows(parts["scales"], indices, words.ndim)
    biases, most = side_rows(parts["biases"], indices, words.ndim)
    group = np.arange(inputs, dtype=np.int64) // width
    weight: Array = unpack_all(words, bits, inputs) * spread(scales, group)
    weight += spread(biases, group)
    return weight, read + more + most
