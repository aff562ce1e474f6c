"""Signal `tensor_digest`: tensors that hold equal values.

Compares values after rounding both sides to the narrower of their types. Equality of a learned tensor needs no
p-value: trained values do not coincide. Tensors that were not learned (constants, tables) prove nothing and are left
out before.

Defeated by: any change of the values beyond rounding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fingerprints.checkpoint import Checkpoint
from fingerprints.contribution import Contribution
from fingerprints.errors import UnreadableTensor
from fingerprints.pairing import Pair
from fingerprints.samples import PairSample, SampleSettings
from fingerprints.signals.protocol import SignalContext, method_string
from fingerprints.values import Array, count_equal

BLOCK = 1 << 24
EQUAL_SHARE = 0.999


@dataclass(frozen=True, slots=True, kw_only=True)
class Equality:
    """How many of the compared elements are equal, or within one unit in the last place of the narrower type."""

    compared: int
    exact: int
    close: int
    lost_a: int
    """Elements of A that rounding to the narrower type changed."""
    lost_b: int
    """Elements of B that it changed."""
    complete: bool
    """Whether every element was compared."""

    @property
    def identical(self) -> bool:
        """Every element within one ulp, and 99.9 % of them exact."""
        return self.compared > 0 and self.close == self.compared and self.exact >= EQUAL_SHARE * self.compared


NOTHING = Equality(compared=0, exact=0, close=0, lost_a=0, lost_b=0, complete=False)


class TensorDigest:
    """See the module."""

    name = "tensor_digest"

    def method(self, settings: SampleSettings) -> str:
        """Name, version and settings."""
        return method_string(self.name, 1, settings)

    def of_matrix(self, sample: PairSample, context: SignalContext) -> Iterator[Contribution]:
        """Nothing: equality is no permutation test."""
        return iter(())

    def of_vectors(self, pair: Pair, a: Array, b: Array, context: SignalContext) -> Iterator[Contribution]:
        """Nothing: equality is no permutation test."""
        return iter(())


def sampled_equality(pair: Pair, raw_a: Array, raw_b: Array) -> Equality:
    """Equality of the values that were read anyway."""
    if pair.a.shape[1:] != pair.b.shape[1:]:
        return NOTHING
    exact, close, lost_a, lost_b = count_equal(raw_a, raw_b, pair.a.info.dtype, pair.b.info.dtype)
    complete = pair.a.shape == pair.b.shape and raw_a.size == pair.a.info.size
    return Equality(compared=raw_a.size, exact=exact, close=close, lost_a=lost_a, lost_b=lost_b, complete=complete)


def full_equality(pair: Pair, a: Checkpoint, b: Checkpoint) -> Equality:
    """Equality of every value, in bounded memory; stops at the first block that settles inequality.

    Raises
    ------
    UnreadableTensor, CorruptCheckpoint
        As the readers do.
    """
    if pair.a.shape != pair.b.shape:
        return NOTHING
    counts = np.zeros(5, dtype=np.int64)
    for block_a, block_b in alongside(a.blocks(pair.a.name, BLOCK), b.blocks(pair.b.name, BLOCK)):
        counts += (block_a.size, *count_equal(block_a, block_b, pair.a.info.dtype, pair.b.info.dtype))
        if counts[2] < counts[0]:
            break
    compared, exact, close, lost_a, lost_b = counts.tolist()
    complete = compared == pair.a.info.size
    return Equality(compared=compared, exact=exact, close=close, lost_a=lost_a, lost_b=lost_b, complete=complete)


def alongside(a: Iterator[Array], b: Iterator[Array]) -> Iterator[tuple[Array, Array]]:
    """The same elements of two tensors, whose blocks need not be of one length."""
    left, right = next(a, None), next(b, None)
    while left is not None and right is not None:
        count = min(left.size, right.size)
        yield left[:count], right[:count]
        left = left[count:] if left.size > count else next(a, None)
        right = right[count:] if right.size > count else next(b, None)


def content_digest(checkpoint: Checkpoint) -> str:
    """BLAKE2b over names, types, shapes and all values, independent of container, order and shards.

    Parameters
    ----------
    checkpoint : Checkpoint
        Read once, in full; a tensor that cannot be read counts by its name, type and shape.
    """
    whole = hashlib.blake2b(digest_size=32)
    for name in sorted(checkpoint.tensors):
        info = checkpoint.tensors[name]
        whole.update(f"{len(name.encode())}:{name}|{info.dtype}|{info.shape}|".encode())
        try:
            for block in checkpoint.blocks(name, BLOCK):
                whole.update(np.ascontiguousarray(block).view(np.uint8).reshape(-1).data)
        except UnreadableTensor:
            whole.update(b"unreadable|")
    return f"content:blake2b:{whole.hexdigest()}"


def header_digest(checkpoint: Checkpoint) -> str:
    """BLAKE2b over names, types and shapes alone."""
    whole = hashlib.blake2b(digest_size=32)
    for name in sorted(checkpoint.tensors):
        info = checkpoint.tensors[name]
        whole.update(f"{len(name.encode())}:{name}|{info.dtype}|{info.shape}|".encode())
    return f"header:blake2b:{whole.hexdigest()}"
