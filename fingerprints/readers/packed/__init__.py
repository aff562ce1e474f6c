"""Weights that quantisation libraries pack into several tensors, one file a scheme; a new one is one more line here."""

from typing import Final

from fingerprints.readers.packed.scheme import Scheme, Unpacked, unpack

SCHEMES: Final[tuple[Scheme, ...]] = ()
"""Every scheme, in the order in which they are asked."""

__all__ = ["SCHEMES", "Scheme", "Unpacked", "unpack"]
