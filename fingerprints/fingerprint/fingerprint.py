"""What a fingerprint holds."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from fingerprints.checkpoint import TensorInfo
from fingerprints.inventory import Inventory
from fingerprints.ordering import Order
from fingerprints.sampling import Ints

SPREAD = 32
_LAYERS = re.compile(r"layers=\d+&")
PRECISIONS = ("F32", "F16", "BF16")
"""Digests are taken of values as they are and rounded to the narrower types, so that a cast is no difference."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AxisPrint:
    """Projected features of some units of one axis of one matrix.

    Attributes
    ----------
    name : str
        The tensor.
    axis : int
        Axis whose index can be tested.
    positions : ndarray of int64, shape (m,)
        The units.
    faced : str
        Which features were projected, in words: features are comparable where these are equal.
    order : Order
        What the norms of the units say about their order.
    folded : bool
        Whether the gain in front was multiplied in.
    values : ndarray of int8, shape (m, k)
        See `projection.project`.
    norms : ndarray of float32, shape (m,)
        Lengths of the unprojected rows.
    """

    name: str
    axis: int
    positions: Ints
    faced: str
    order: Order
    folded: bool
    values: npt.NDArray[np.int8]
    norms: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VectorPrint:
    """Entries of a gain or bias at `positions`, and what its entries are in whatever order: `spread`, 32 of them all,
    sorted and evenly spread. Both to the 11 bits of half precision of the largest one.
    """

    name: str
    positions: Ints
    values: npt.NDArray[np.float32]
    spread: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of one tensor.

    Attributes
    ----------
    sampled : int
        Values that were read; 0 where nothing was sampled and `whole` is all there is.
    digests : bytes
        Of those values at each of `PRECISIONS`, 8 bytes each.
    whole : bytes
        Of all values, 16 bytes each; empty where they were not read.
    not_learned : str
        Why it is no evidence, or empty.
    sparse : bool
        Whether 2 % of the values or more are zero.
    waves : bool
        Whether it is a table of positions that started as waves.
    """

    sampled: int = 0
    digests: bytes = b""
    whole: bytes = b""
    not_learned: str = ""
    sparse: bool = False
    waves: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Fingerprint:
    """A checkpoint without its weights.

    Attributes
    ----------
    tensors : mapping
        Its headers, in the order of their names.
    inventory : Inventory
        What of it counts.
    seen : mapping
        What was seen, by tensor.
    axes : tuple of AxisPrint
        Projected units.
    vectors : tuple of VectorPrint
        Gains and biases.
    method : str
        How all that was taken; only fingerprints of one `scheme` are compared.
    claims : mapping
        What metadata said: reference, format, configuration, licence, revision. No evidence, and no part of `content`.
    """

    tensors: Mapping[str, TensorInfo]
    inventory: Inventory
    seen: Mapping[str, Seen]
    axes: tuple[AxisPrint, ...]
    vectors: tuple[VectorPrint, ...]
    method: str
    claims: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def content(self) -> str:
        """Digest of everything but claims: equal weights under equal names have one content, wherever they lie."""
        whole = hashlib.blake2b(digest_size=16)
        whole.update(self.method.encode())
        for name, info in self.tensors.items():
            whole.update(f"{len(name.encode())}:{name}|{info.dtype}|{info.stored_as}|{info.shape}|".encode())
            seen = self.seen.get(name)
            if seen is not None:
                whole.update(f"{seen.sampled}|".encode() + seen.digests + b"|" + seen.whole)
        for axis in self.axes:
            whole.update(f"{axis.name}|{axis.axis}|{axis.faced}|{axis.folded}|".encode())
            whole.update(axis.positions.tobytes() + axis.values.tobytes() + axis.norms.tobytes())
        for vector in self.vectors:
            whole.update(vector.name.encode() + vector.positions.tobytes() + vector.values.tobytes())
            whole.update(vector.spread.tobytes())
        return whole.hexdigest()

    @property
    def scheme(self) -> str:
        """The method but for the number of layers: what is in two fingerprints of one scheme is comparable."""
        return _LAYERS.sub("", self.method)

    @cached_property
    def axis_of(self) -> Mapping[tuple[str, int], AxisPrint]:
        """Projected units by tensor and axis."""
        return {(print_.name, print_.axis): print_ for print_ in self.axes}

    @cached_property
    def vector_of(self) -> Mapping[str, VectorPrint]:
        """Gains and biases by tensor."""
        return {vector.name: vector for vector in self.vectors}

    @property
    def whole(self) -> bool:
        """Whether digests of all values of every learned tensor are there."""
        return all(name in self.seen and self.seen[name].whole for name in self.inventory.learned)
