"""IA3: a weight is multiplied by one learned number an output, or an input of a feed-forward layer.

The vector has shape (outputs, 1) or (1, inputs). See https://arxiv.org/abs/2205.05638 and
https://github.com/huggingface/peft/blob/main/src/peft/tuners/ia3/layer.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from fingerprints.adapters.borrowed import borrow
from fingerprints.adapters.kind import AdaptedModule, DoesNotFitError
from fingerprints.checkpoint import Array
from fingerprints.readers.decoded_tensor import DecodedTensor
from fingerprints.readers.row_tensor import RowTensor

_MARK: Final = "ia3_l"
_FLOATS: Final = ("F64", "F32", "F16", "BF16")


class LearnedVectors:
    """See the module."""

    name = "IA3"

    def holds(self, module: AdaptedModule) -> bool:
        """Whether there is a vector."""
        shape = module.shape(_MARK) if _MARK in module.parts else ()
        return len(shape) == 2 and 1 in shape and 0 not in shape

    def describe(self, module: AdaptedModule) -> Mapping[str, Any]:
        """Return the type."""
        return {"type": self.name, "rank": None, "scale": None}

    def alone(self, module: AdaptedModule) -> Iterator[RowTensor]:
        """Yield the vector as it is."""
        yield borrow(module.source, module.parts[_MARK], f"{module.module}.{_MARK}")

    def applied(self, module: AdaptedModule, base: RowTensor) -> RowTensor | None:
        """Return the weight, or the bias of outputs that are scaled, times the vector."""
        info, (outputs, inputs) = base.info, module.shape(_MARK)
        # A vector of one element could be either; the weight's own sizes are then the same along both readings.
        of_outputs = inputs == 1
        if info.name == f"{module.module}.bias" and not of_outputs:
            return None
        if info.dtype not in _FLOATS:
            raise DoesNotFitError(f"its base is stored as {info.dtype}, which cannot be multiplied")
        length = outputs if of_outputs else inputs
        axis = 0
        if info.name == f"{module.module}.weight":
            turned = module.config.transposed
            axis = int(of_outputs == turned)
            if len(info.shape) == 2 and info.shape[axis] != length:
                axis = 1 - axis
        if len(info.shape) <= axis or info.shape[axis] != length:
            raise DoesNotFitError(f"it has {length} factors for a tensor of shape {info.shape}")

        def decode(rows: npt.NDArray[np.int64]) -> tuple[Array, int]:
            stored, count = base.take(rows)
            blocks = [block.astype(np.float64) for block in module.source.blocks(module.parts[_MARK])]
            vector = np.concatenate(blocks)
            along = vector[rows] if axis == 0 else vector
            shape = [1] * stored.ndim
            shape[axis] = -1
            with np.errstate(all="ignore"):
                return (stored.astype(np.float64) * along.reshape(shape)).astype(stored.dtype), count

        return DecodedTensor(info=info, decode=decode, row_bytes=base.cost(1))
