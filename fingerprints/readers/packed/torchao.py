"""torchao: integers or floats of 8 bits with a scale a row or group, as its tensors are written to safetensors.

`x.weight` is written as `x._weight_qdata` (I8, F8_E4M3), `x._weight_scale` and, for integers, `x._weight_zero_point`:
(element - zero point) * scale. Its 4 bit tensors lie in the order that a kernel for one kind of GPU wants, and are not
read.

Format: https://github.com/pytorch/ao/blob/main/torchao/prototype/safetensors/safetensors_support.py
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fingerprints.checkpoint import Encoding
from fingerprints.readers.packed.scaled import scaled
from fingerprints.readers.packed.scheme import Tensors, Unpacked
from fingerprints.readers.packed.weight import FLOAT8, FP8, present

_QDATA: Final = "_qdata"


class TorchAo:
    """Finds `_weight_qdata` of 8 bits with scales beside it."""

    name = "torchao"

    def unpack(self, tensors: Tensors, config: Mapping[str, Any]) -> Iterator[Unpacked]:
        """Yield the weights of 8 bits."""
        for part, tensor in tensors.items():
            module, _, own = part.removesuffix(_QDATA).rpartition("._")
            name = f"{module}.{own}"
            stem = part.removesuffix(_QDATA)
            is_float = tensor.info.dtype in FLOAT8
            known = stem != part and module and own and (is_float or tensor.info.dtype == "I8")
            if known and f"{stem}_scale" in tensors and name not in tensors:
                zero = None if is_float else next(iter(present(tensors, f"{stem}_zero_point")), None)
                parts = (part, f"{stem}_scale", *(() if zero is None else (zero,)))
                encoding = FP8[tensor.info.dtype] if is_float else Encoding(scheme="int8", bits=8)
                yield scaled(name, tensors, parts, encoding=encoding, zero=zero)
