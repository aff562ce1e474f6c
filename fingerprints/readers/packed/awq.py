"""AWQ: codes packed along the outputs, in the `gemm` layout of AutoAWQ.

| tensor    | shape                  | holds                                                 |
|-----------|------------------------|-------------------------------------------------------|
| `qweight` | (inputs, outputs / 8)  | codes of 4 bits; eight outputs a word, see `_IN_WORD` |
| `qzeros`  | (groups, outputs / 8)  | zero points in the same order                         |
| `scales`  | (groups, outputs)      | steps                                                 |

The scales of activations that AWQ looks for are folded into the norms and weights before, and are not undone here.

Paper: https://arxiv.org/abs/2306.00978. Layout: https://github.com/casper-hansen/AutoAWQ (`modules/linear/gemm.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from fingerprints.checkpoint import Array, Encoding
from fingerprints.readers.decoded_tensor import Rows
from fingerprints.readers.element_types import FLOATS
from fingerprints.readers.packed.bits import WORD, WORD_TYPES, Codes, unpack_some
from fingerprints.readers.packed.claims import claimed_number, claimed_text, packing_claims, width_of_groups
from fingerprints.readers.packed.columns import ColumnPacked
from fingerprints.readers.packed.module import Module, Parts, modules_with
from fingerprints.readers.packed.scheme import Tensors, Unpacked

_BITS: Final = 4
_A_WORD: Final = WORD // _BITS
_IN_WORD: Final = np.array([0, 4, 1, 5, 2, 6, 3, 7], dtype=np.int64)
"""Field of a word in which each of its eight outputs lies."""


class Awq:
    """Finds modules with `qweight`, `qzeros` and `scales` that hold eight outputs in a word."""

    name = "awq"

    def unpack(self, tensors: Tensors, config: Mapping[str, Any]) -> Iterator[Unpacked]:
        """Yield the weights that are packed in this way."""
        claims = packing_claims(config)
        for module in modules_with(tensors, "qweight", "qzeros", "scales"):
            if is_awq(module.parts, claims):
                yield self._weight(module, claims)

    def _weight(self, module: Module, claims: Mapping[str, Any]) -> Unpacked:
        words, zeros, scales = (module.parts[part] for part in ("qweight", "qzeros", "scales"))
        reason = _contradiction(module)
        if reason:
            return module.refused(self.name, reason)
        groups, outputs = scales.info.shape
        inputs = words.info.shape[0]
        width = width_of_groups(inputs, groups, claimed_number(claims, "group_size"))
        if width is None:
            return module.refused(self.name, f"{groups} groups do not fit {inputs} inputs")
        encoding = Encoding(scheme=self.name, bits=_BITS, group_size=width if groups > 1 else None)
        shape = (outputs, inputs)
        weight = ColumnPacked(
            info=module.described(shape, encoding),
            words=words,
            zeros=zeros,
            scales=scales,
            order=None,
            bits=_BITS,
            width=width,
            step=1,
            inputs_a_step=1,
            pick=_pick,
            fields=_fields,
            raised=0,
        )
        return module.assembled(shape, encoding, decode=weight.decode, row_bytes=None)


def is_awq(parts: Parts, claims: Mapping[str, Any]) -> bool:
    """Whether the outputs are packed along the rows; what is claimed decides where the shapes are of neither scheme."""
    words, zeros, scales = (parts[part].info.shape[1:] for part in ("qweight", "qzeros", "scales"))
    if words and words in (scales, zeros):
        return words != scales
    return claimed_text(claims, "quant_method") == "awq"


def _fields(outputs: Rows) -> Rows:
    return outputs // _A_WORD * _A_WORD + _IN_WORD[outputs % _A_WORD]


def _pick(words: Array, outputs: Rows) -> Codes:
    return unpack_some(words, _BITS, _fields(outputs)).T


def _contradiction(module: Module) -> str:
    """Return why the parts cannot belong together; empty if they can."""
    mismatch = module.mismatch({"qweight": WORD_TYPES, "qzeros": WORD_TYPES, "scales": FLOATS})
    if mismatch:
        return mismatch
    words, zeros, scales = (module.parts[part].info.shape for part in ("qweight", "qzeros", "scales"))
    if words[1] * _A_WORD != scales[1] or zeros != (scales[0], words[1]):
        return (
            f"its qweight has the shape {words}, its scales {scales} and its qzeros {zeros}; only the gemm layout of"
            f" {_BITS} bits is decoded"
        )
    return ""
