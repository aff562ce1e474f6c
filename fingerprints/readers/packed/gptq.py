"""GPTQ: codes packed along the inputs, as AutoGPTQ and GPTQModel write them.

| tensor    | shape                         | holds                                                        |
|-----------|-------------------------------|--------------------------------------------------------------|
| `qweight` | (inputs * bits / 32, outputs) | codes; every column is a stream of fields, input after input |
| `qzeros`  | (groups, outputs * bits / 32) | zero points, less one unless the format is `gptq_v2`         |
| `scales`  | (groups, outputs)             | steps                                                        |
| `g_idx`   | (inputs)                      | the group of each input; groups in order where it is absent  |

Paper: https://arxiv.org/abs/2210.17323. Layout: https://github.com/AutoGPTQ/AutoGPTQ (`nn_modules/qlinear`);
`checkpoint_format`: https://github.com/ModelCloud/GPTQModel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

import numpy as np

from fingerprints.checkpoint import Array, Encoding
from fingerprints.readers.decoded_tensor import Rows
from fingerprints.readers.element_types import FLOATS
from fingerprints.readers.packed.awq import is_awq
from fingerprints.readers.packed.bits import WORD, WORD_TYPES, Codes, unpack_all, words_for
from fingerprints.readers.packed.claims import claimed_number, claimed_text, packing_claims, width_of_groups
from fingerprints.readers.packed.columns import ColumnPacked
from fingerprints.readers.packed.module import Module, Parts, modules_with
from fingerprints.readers.packed.scheme import Tensors, Unpacked

_BITS: Final = (2, 3, 4, 8)
_PLANAR: Final = "gptq_p"
_TRUE_ZEROS: Final = ("gptq_v2", _PLANAR)
"""Formats that store zero points as they are."""


class Gptq:
    """Finds modules with `qweight`, `qzeros` and `scales` whose outputs are columns of `qweight`."""

    name = "gptq"

    def unpack(self, tensors: Tensors, config: Mapping[str, Any]) -> Iterator[Unpacked]:
        """Yield the weights that are packed in this way."""
        claims = packing_claims(config)
        for module in modules_with(tensors, "qweight", "qzeros", "scales", optional=("g_idx",)):
            if not is_awq(module.parts, claims):
                yield self._weight(module, claims)

    def _weight(self, module: Module, claims: Mapping[str, Any]) -> Unpacked:
        parts = module.parts
        reason = _contradiction(module)
        if reason:
            return module.refused(self.name, reason)
        words, zeros, scales, order = parts["qweight"], parts["qzeros"], parts["scales"], parts.get("g_idx")
        groups, outputs = scales.info.shape
        bits = _bits(parts, claims)
        if bits is None:
            shapes = f"qweight of shape {words.info.shape} and qzeros of shape {zeros.info.shape}"
            return module.refused(self.name, f"no number of bits of {_BITS} fits {shapes}")
        format_ = claimed_text(claims, "checkpoint_format") or claimed_text(claims, "format")
        if format_ == _PLANAR and WORD % bits:
            return module.refused(self.name, f"{bits} bits in separate planes are not decoded")
        inputs = _inputs(parts, bits)
        width = width_of_groups(inputs, groups, claimed_number(claims, "group_size"))
        if width is None:
            return module.refused(self.name, f"{groups} groups do not fit {inputs} inputs")
        encoding = Encoding(scheme=self.name, bits=bits, group_size=width if groups > 1 else None)
        shape = (outputs, inputs)
        step = bits // (bits & -bits)
        weight = ColumnPacked(
            info=module.described(shape, encoding),
            words=words,
            zeros=zeros,
            scales=scales,
            order=order,
            bits=bits,
            width=width,
            step=step,
            inputs_a_step=step * WORD // bits,
            pick=partial(_pick, bits=bits),
            fields=lambda outputs: outputs,
            raised=0 if format_ in _TRUE_ZEROS else 1,
        )
        return module.assembled(shape, encoding, decode=weight.decode, row_bytes=None)


def _pick(words: Array, outputs: Rows, *, bits: int) -> Codes:
    columns = np.ascontiguousarray(words[:, outputs].T)
    return unpack_all(columns, bits, columns.shape[1] * WORD // bits)


def _contradiction(module: Module) -> str:
    """Return why the parts cannot belong together, whatever the number of bits; empty if they can."""
    mismatch = module.mismatch({"qweight": WORD_TYPES, "qzeros": WORD_TYPES, "scales": FLOATS})
    if mismatch:
        return mismatch
    parts = module.parts
    words, zeros, scales = (parts[part].info.shape for part in ("qweight", "qzeros", "scales"))
    if words[1] != scales[1] or zeros[0] != scales[0] or not scales[0]:
        return f"its qweight has the shape {words}, its scales {scales} and its qzeros {zeros}"
    order = parts.get("g_idx")
    if order is not None and (order.info.dtype not in ("I32", "I64") or len(order.info.shape) != 1):
        return f"its g_idx is {order.info.dtype} of shape {order.info.shape}, not a list of I32"
    return ""


def _bits(parts: Parts, claims: Mapping[str, Any]) -> int | None:
    """Return the number of bits that fits the shapes; what is claimed, where several do."""
    words, outputs = parts["qweight"].info.shape
    order = parts.get("g_idx")
    fitting = [
        bits
        for bits in _BITS
        if words_for(outputs, bits) == parts["qzeros"].info.shape[1]
        and (words_for(order.info.shape[0], bits) == words if order is not None else words * WORD % bits == 0)
    ]
    claimed = claimed_number(claims, "bits")
    return claimed if claimed in fitting else fitting[0] if len(fitting) == 1 else None


def _inputs(parts: Parts, bits: int) -> int:
    order = parts.get("g_idx")
    return order.info.shape[0] if order is not None else parts["qweight"].info.shape[0] * WORD // bits
