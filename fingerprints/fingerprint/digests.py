"""Digests of values, not of bytes: the same for every type that holds the values exactly."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import ml_dtypes
import numpy as np

from fingerprints.fingerprint.fingerprint import PRECISIONS
from fingerprints.values import Array, widened

_ROUNDED = {"F16": np.float16, "BF16": ml_dtypes.bfloat16}
SAMPLED, WHOLE = 8, 16
"""Bytes of a digest of sampled values, and of all values."""


def value_digests(blocks: Iterable[Array], size: int) -> bytes:
    """Digest values at each of `PRECISIONS`, one after another.

    Parameters
    ----------
    blocks : iterable of ndarray
        The values, in order.
    size : int
        Bytes of each digest.
    """
    running = [hashlib.blake2b(digest_size=size) for _ in PRECISIONS]
    for block in blocks:
        wide = np.ascontiguousarray(widened(block), dtype=np.float32).reshape(-1) + np.float32(0)
        for precision, digest in zip(PRECISIONS, running, strict=True):
            with np.errstate(over="ignore", invalid="ignore"):
                values = wide.astype(_ROUNDED[precision]) if precision in _ROUNDED else wide
            digest.update(values.view(np.uint8).data)
    return b"".join(digest.digest() for digest in running)


def equal_digests(a: bytes, b: bytes, dtype_a: str, dtype_b: str) -> bool:
    """Whether two tensors' values are equal after rounding both to the narrower of their types."""
    if not a or len(a) != len(b):
        return False
    size = len(a) // len(PRECISIONS)
    place = next((PRECISIONS.index(kind) for kind in ("BF16", "F16") if kind in (dtype_a, dtype_b)), 0)
    return a[place * size : (place + 1) * size] == b[place * size : (place + 1) * size]
