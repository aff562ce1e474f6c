"""compressed-tensors: integers with a step a weight, row or group, packed into words or stored as they are.

    weight[o, i] = (code[o, i] - zero[o, group(i)]) * scale[o, group(i)]

| tensor              | shape                               | holds                                                   |
|---------------------|-------------------------------------|---------------------------------------------------------|
| `weight_packed`     | (outputs, ceil(inputs * bits / 32)) | codes + 2**(bits - 1); every row is a stream of fields  |
| `weight_shape`      | 2 or 3 numbers                      | the shape of the weight                                 |
| `weight`            | (outputs, inputs)                   | codes, where they are stored as I8 and not packed       |
| `weight_scale`      | (outputs, groups), or one number    | steps                                                   |
| `weight_zero_point` | (ceil(outputs * bits / 32), groups) | zero points, packed as codes are, or I8 beside them     |
| `weight_g_idx`      | (inputs)                            | the group of each input; one below zero: groups in order |

Format: https://github.com/neuralmagic/compressed-tensors (`pack-quantized`, `int-quantized`, `naive-quantized`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Any, Final

import numpy as np

from fingerprints.checkpoint import Encoding
from fingerprints.errors import UnreadableTensor
from fingerprints.readers.element_types import FLOATS
from fingerprints.readers.packed.bits import WORD_TYPES, words_for
from fingerprints.readers.packed.claims import claimed_number, packing_claims, width_of_groups
from fingerprints.readers.packed.integer_rows import IntegerRows
from fingerprints.readers.packed.module import Module, Parts, modules_with
from fingerprints.readers.packed.rows import decode_rows, groups_of
from fingerprints.readers.packed.scheme import Tensors, Unpacked

_OPTIONAL: Final = ("weight_zero_point", "weight_g_idx")
_INTEGERS: Final = ("I32", "I64")


class CompressedTensors:
    """Finds modules with `weight_packed` and `weight_shape`, or a `weight` of I8, and `weight_scale`."""

    name = "compressed-tensors"

    def unpack(self, tensors: Tensors, config: Mapping[str, Any]) -> Iterator[Unpacked]:
        """Yield the weights that are packed in this way."""
        claims = _weight_claims(config)
        for module in modules_with(tensors, "weight_packed", "weight_scale", "weight_shape", optional=_OPTIONAL):
            yield self._packed(module, claims)
        for module in modules_with(tensors, "weight", "weight_scale", optional=_OPTIONAL):
            if module.parts["weight"].info.dtype == "I8":
                yield self._plain(module, claims)

    def _packed(self, module: Module, claims: list[Mapping[str, Any]]) -> Unpacked:
        words = module.parts["weight_packed"].info
        if words.dtype not in WORD_TYPES or len(words.shape) not in (2, 3):
            reason = f"its weight_packed is {words.dtype} of shape {words.shape}, not 2 or 3 axes of I32"
            return module.refused(self.name, reason)
        try:
            shape = _read_shape(module.parts)
        except UnreadableTensor as error:
            return module.refused(self.name, error.message)
        if shape is None or shape[:-1] != words.shape[:-1]:
            reason = f"its weight_shape is no shape of a weight whose weight_packed has the shape {words.shape}"
            return module.refused(self.name, reason)
        zeros = module.parts.get("weight_zero_point")
        fitting = [
            bits
            for bits in range(1, 9)
            if words_for(shape[-1], bits) == words.shape[-1]
            and (zeros is None or zeros.info.dtype == "I8" or zeros.info.shape[-2:-1] == (words_for(shape[-2], bits),))
        ]
        claimed = {number for claim in claims if (number := claimed_number(claim, "num_bits"))} & set(fitting)
        bits = fitting[0] if len(fitting) == 1 else claimed.pop() if len(claimed) == 1 else None
        if bits is None:
            reason = f"{len(fitting)} numbers of bits fit {words.shape[-1]} words for {shape[-1]} inputs"
            return module.refused(self.name, reason)
        return self._weight(module, shape, bits, claims)

    def _plain(self, module: Module, claims: list[Mapping[str, Any]]) -> Unpacked:
        numbers = {claimed_number(claim, "num_bits") for claim in claims}
        bits = numbers.pop() if len(numbers) == 1 else None
        return self._weight(module, module.parts["weight"].info.shape, bits if bits and bits < 8 else 8, claims)

    def _weight(self, module: Module, shape: tuple[int, ...], bits: int, claims: list[Mapping[str, Any]]) -> Unpacked:
        scale = module.parts["weight_scale"].info
        groups = groups_of(scale.shape, shape) if len(shape) > 1 else None
        if groups is None or scale.dtype not in FLOATS:
            reason = f"its weight_scale is {scale.dtype} of shape {scale.shape}, for a weight of shape {shape}"
            return module.refused(self.name, reason)
        sizes = {claimed_number(claim, "group_size") for claim in claims}
        width = width_of_groups(shape[-1], groups, sizes.pop() if len(sizes) == 1 else None)
        if width is None:
            return module.refused(self.name, f"{groups} groups do not fit {shape[-1]} inputs")
        reason = _contradiction(module.parts, shape, groups, bits)
        if reason:
            return module.refused(self.name, reason)
        encoding = Encoding(scheme=self.name, bits=bits, group_size=width if groups > 1 else None)
        info = module.described(shape, encoding)
        rows = IntegerRows(info=info, parts=module.parts, bits=bits, width=width, groups=groups)
        return module.assembled(
            shape,
            encoding,
            decode=lambda indices: decode_rows(shape, indices, rows.compute),
            row_bytes=rows.most_a_row() if prod(shape) else 0,
        )


def _weight_claims(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what is claimed about weights, for each group of modules."""
    groups = packing_claims(config).get("config_groups")
    members = groups.values() if isinstance(groups, Mapping) else ()
    found = [group.get("weights") for group in members if isinstance(group, Mapping)]
    return [weights for weights in found if isinstance(weights, Mapping)]


def _read_shape(parts: Parts) -> tuple[int, ...] | None:
    """Return the shape that `weight_shape` holds, None if it is none of a weight with as many axes."""
    stored, rank = parts["weight_shape"], len(parts["weight_packed"].info.shape)
    if stored.info.dtype not in _INTEGERS or stored.info.shape != (rank,):
        return None
    shape = tuple(stored.take(np.arange(rank, dtype=np.int64))[0].tolist())
    return shape if min(shape) > 0 else None


def _contradiction(parts: Parts, shape: tuple[int, ...], groups: int, bits: int) -> str:
    """Return why zero points or order of groups do not fit the weight; empty if they do."""
    zeros, order = (parts[name].info if name in parts else None for name in _OPTIONAL)
    if zeros is not None:
        packed = zeros.dtype in WORD_TYPES and "weight_packed" in parts
        expected = (*shape[:-2], words_for(shape[-2], bits), groups)
        plain = zeros.dtype == "I8" and groups_of(zeros.shape, shape) in (1, groups)
        if not (packed and zeros.shape == expected) and not plain:
            return f"its weight_zero_point is {zeros.dtype} of shape {zeros.shape}, for a weight of shape {shape}"
    if order is not None and (order.dtype not in _INTEGERS or order.shape != shape[-1:]):
        return f"its weight_g_idx is {order.dtype} of shape {order.shape}, for {shape[-1]} inputs"
    return ""
