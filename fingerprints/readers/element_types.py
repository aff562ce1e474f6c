"""Element types in the safetensors spelling, and how their bytes become numbers."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import MappingProxyType

import ml_dtypes
import numpy as np

from fingerprints.checkpoint import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementType:
    """One element type: `bits` as stored, and the numpy type of the decoded array (None if it cannot be decoded)."""

    name: str
    bits: int
    numpy: np.dtype[np.generic] | None

    def stored_bytes(self, elements: int) -> int | None:
        """Bytes that `elements` take up, or None if they end inside a byte."""
        bits = elements * self.bits
        return bits // 8 if bits % 8 == 0 else None

    def decode(self, raw: Array, shape: tuple[int, ...], *, swap: bool = False) -> Array:
        """Turn the stored bytes `raw` (uint8, owned by the caller) into an array of `shape`.

        `swap` says that the bytes are in the other order than this machine's.
        """
        if self.numpy is None:
            raise TypeError(f"{self.name} has no numpy type")
        if self.bits == 4:
            nibbles = np.empty(2 * raw.size, dtype=np.uint8)
            np.bitwise_and(raw, 0x0F, out=nibbles[0::2])
            np.right_shift(raw, 4, out=nibbles[1::2])
            raw = nibbles
        if self.name == "BOOL":
            truth: Array = np.not_equal(raw, 0)
            return truth.reshape(shape)
        if swap:
            unit = self.numpy.itemsize // (2 if self.numpy.kind == "c" else 1)
            raw = raw.view(np.dtype(f"u{unit}")).byteswap().view(np.uint8) if unit > 1 else raw
        return raw.view(self.numpy).reshape(shape)


_KNOWN: tuple[tuple[str, int, type[np.generic] | None], ...] = (
    ("BOOL", 8, np.bool_),
    ("F4", 4, ml_dtypes.float4_e2m1fn),
    ("F6_E2M3", 6, None),
    ("F6_E3M2", 6, None),
    ("U8", 8, np.uint8),
    ("I8", 8, np.int8),
    ("F8_E5M2", 8, ml_dtypes.float8_e5m2),
    ("F8_E4M3", 8, ml_dtypes.float8_e4m3fn),
    ("F8_E8M0", 8, ml_dtypes.float8_e8m0fnu),
    ("F8_E4M3FNUZ", 8, ml_dtypes.float8_e4m3fnuz),
    ("F8_E5M2FNUZ", 8, ml_dtypes.float8_e5m2fnuz),
    ("I16", 16, np.int16),
    ("U16", 16, np.uint16),
    ("F16", 16, np.float16),
    ("BF16", 16, ml_dtypes.bfloat16),
    ("I32", 32, np.int32),
    ("U32", 32, np.uint32),
    ("F32", 32, np.float32),
    ("C64", 64, np.complex64),
    ("F64", 64, np.float64),
    ("I64", 64, np.int64),
    ("U64", 64, np.uint64),
    ("C128", 128, np.complex128),
)

ELEMENT_TYPES = MappingProxyType(
    {
        name: ElementType(name=name, bits=bits, numpy=None if kind is None else np.dtype(kind))
        for name, bits, kind in _KNOWN
    }
)
"""Every element type by name."""

FLOATS = ("F16", "BF16", "F32", "F64")
"""Floats of 16 bits or more, which scales are stored as."""

OTHER_BYTE_ORDER = "big" if sys.byteorder == "little" else "little"
