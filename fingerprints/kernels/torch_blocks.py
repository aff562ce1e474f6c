"""Block sums on a device that torch drives: large blocks through page-locked memory, one small answer a block."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from fingerprints.kernels.block_sums import Sum, Sums, differing_bits, exact_sums, nothing
from fingerprints.values import Array

_BITS = {2: np.int16, 4: np.int32}


class TorchBlocks:
    """See the module.

    Parameters
    ----------
    device : str
        A torch device: `cuda`, `cuda:N`, or `cpu`.

    Notes
    -----
    Squares are added up in float64, so that numbers agree with those of the CPU to about 1e-6; blocks of other types
    than bfloat16, float16 and float32 are added up by `exact_sums` on the CPU.
    """

    name = "torch"
    block_bytes = 1 << 25

    def __init__(self, device: str) -> None:
        import torch  # deferred: only the accelerator path needs it

        self._torch = torch
        self._device = torch.device(device)
        self._types = {
            np.dtype(ml_dtypes.bfloat16): torch.bfloat16,
            np.dtype(np.float16): torch.float16,
            np.dtype(np.float32): torch.float32,
        }
        self._staging: list[Any] = [None, None]

    def sums(self, a: Array, b: Array) -> Sums:
        """The sums over two flat blocks; see `BlockKernel`."""
        if a.dtype not in self._types or b.dtype not in self._types:
            return exact_sums(a, b)
        torch = self._torch
        left, right = self._moved(a, 0), self._moved(b, 1)
        x, y = left.float(), right.float()
        change = y - x
        zero_a, zero_b = x == 0, y == 0
        numbers = [
            *(_dot(p, q) for p, q in ((x, x), (y, y), (x, y), (change, change))),
            (x == y).sum(),
            (((x < 0) & (y > 0)) | ((x > 0) & (y < 0))).sum(),
            zero_a.sum(),
            zero_b.sum(),
            (zero_a & zero_b).sum(),
            change.abs().max() if len(a) else x.sum(),
        ]
        answers = torch.stack([number.double() for number in numbers]).cpu().numpy()
        if not np.isfinite(answers).all():
            return exact_sums(a, b)
        found = nothing()
        found[: Sum.NONFINITE_A], found[Sum.PEAK] = answers[:-1], answers[-1]
        if a.dtype == b.dtype:
            found[Sum.BITS] = differing_bits(a, b)
        return found

    def _moved(self, values: Array, side: int) -> Any:
        """The block on the device, through a buffer that the device can read by itself."""
        torch = self._torch
        stored = torch.from_numpy(values.view(_BITS[values.dtype.itemsize])).view(self._types[values.dtype])
        if self._device.type != "cuda":
            return stored.to(self._device)
        staging = self._staging[side]
        size = values.nbytes
        if staging is None or len(staging) < size:
            staging = self._staging[side] = torch.empty(size, dtype=torch.uint8, pin_memory=True)
        locked = staging[:size].view(stored.dtype)
        locked.copy_(stored)
        return locked.to(self._device, non_blocking=True)


def _dot(x: Any, y: Any) -> Any:
    """The sum of products, float32 in rows of 4096 and float64 over these."""
    whole = len(x) // 4096 * 4096
    rows = (x[:whole].reshape(-1, 4096) * y[:whole].reshape(-1, 4096)).sum(dim=1)
    return rows.double().sum() + (x[whole:].double() * y[whole:].double()).sum()
