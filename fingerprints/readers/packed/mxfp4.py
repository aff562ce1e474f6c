"""MXFP4: 4 bit floats with one power of two for each 32 of them, as gpt-oss ships its experts.

`x_blocks` (uint8, experts x outputs x groups x 16) holds the numbers, `x_scales` (uint8, experts x outputs x groups)
the exponents + 127. The model that they are loaded into has `x` as experts x inputs x outputs, so that is how they are
decoded. OpenAI's own files call them `x.blocks` and `x.scales` and do not transpose. compressed-tensors and AMD Quark
pack the rows of `weight_packed` or `weight`, with exponents in `weight_scale`.

Formats: https://github.com/openai/gpt-oss/blob/main/gpt_oss/torch/weights.py,
https://www.opencompute.org/documents/ocp-microscaling-formats-mx-v1-0-spec-final-pdf
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import ml_dtypes
import numpy as np

from fingerprints.checkpoint import Array, Encoding
from fingerprints.readers.decoded_tensor import Rows
from fingerprints.readers.packed import e2m1
from fingerprints.readers.packed.nvfp4 import packed_rows
from fingerprints.readers.packed.scheme import Tensors, Unpacked
from fingerprints.readers.packed.weight import assembled, refused, row_size

_GROUP: Final = 32
_ENCODING: Final = Encoding(scheme="mxfp4", bits=4, group_size=_GROUP)
_SPELLINGS: Final = (("_blocks", "_scales", True), (".blocks", ".scales", False))


class Mxfp4:
    """Finds `blocks` of 16 bytes, and packed rows whose scales are exponents."""

    name = "mxfp4"

    def unpack(self, tensors: Tensors, config: Mapping[str, Any]) -> Iterator[Unpacked]:
        """Yield the weights that are stored in blocks, then those in rows."""
        for part, tensor in tensors.items():
            info = tensor.info
            for blocks, scales, transposed in _SPELLINGS:
                stem = part.removesuffix(blocks)
                fits = info.dtype == "U8" and len(info.shape) >= 3 and info.shape[-1] == 16
                if stem != part and fits and stem not in tensors:
                    yield _weight(stem, tensors, part, stem + scales, transposed=transposed)
        yield from packed_rows(tensors, "U8", "F8_E8M0")


def _weight(name: str, tensors: Tensors, blocks_name: str, scales_name: str, *, transposed: bool) -> Unpacked:
    blocks, scales = tensors[blocks_name], tensors.get(scales_name)
    *outer, groups, _ = blocks.info.shape
    shape = (*outer, groups * _GROUP)
    turned = transposed and len(shape) == 3
    if turned:
        shape = (shape[0], shape[2], shape[1])
    parts = (blocks_name,) if scales is None else (blocks_name, scales_name)
    if scales is None or scales.info.dtype not in ("U8", "F8_E8M0") or scales.info.shape != (*outer, groups):
        found = "missing" if scales is None else f"{scales.info.dtype} of shape {list(scales.info.shape)}"
        reason = f"its scales are {found}, and should be U8 of {[*outer, groups]}"
        return refused(name, tensors, parts, encoding=_ENCODING, reason=reason, shape=shape)

    def decode(rows: Rows) -> tuple[Array, int]:
        raw, count = blocks.take(rows)
        exponents, more = scales.take(rows)
        powers = exponents.view(ml_dtypes.float8_e8m0fnu).astype(np.float32)
        values = e2m1.decode(raw, powers[..., np.newaxis]).reshape(len(rows), *outer[1:], groups * _GROUP)
        return np.ascontiguousarray(values.swapaxes(1, 2)) if turned else values, count + more

    return assembled(
        name,
        tensors,
        parts,
        shape=shape,
        encoding=_ENCODING,
        decode=decode,
        row_bytes=row_size(blocks) + row_size(scales),
    )
