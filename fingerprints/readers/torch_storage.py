"""From the tensors that a PyTorch pickle describes to the bytes of their storages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod

from fingerprints.checkpoint import TensorInfo
from fingerprints.readers.element_types import ELEMENT_TYPES
from fingerprints.readers.pickle_objects import StorageRef, TensorView
from fingerprints.readers.quoting import quoted
from fingerprints.readers.source import Region
from fingerprints.readers.stored_tensor import StoredTensor
from fingerprints.readers.strided import is_contiguous, last_element

_LARGEST_EXPANDED = 1 << 24
"""Bytes that a view may stand for when it repeats elements, if its storage has fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedStorage:
    """The `nbytes` bytes of a storage, at `offset` in `region`; `swap` as in StoredTensor."""

    region: Region
    offset: int
    nbytes: int
    swap: bool = False
    fault: str | None = None


Place = Callable[[StorageRef], PlacedStorage]


def place_tensors(
    views: Mapping[str, TensorView], place: Place, nowhere: Region, shard: str
) -> dict[str, StoredTensor]:
    """Say where each tensor lies; one that lies nowhere, or not whole, gets a fault of its own.

    Parameters
    ----------
    views : mapping
        Tensors by name.
    place : callable
        Finds a storage.
    nowhere : Region
        Stands in where a tensor has no storage.
    shard : str
        Name of the file in the checkpoint.
    """
    return {name: _place(name, view, place, nowhere, shard) for name, view in views.items()}


def _place(name: str, view: TensorView, place: Place, nowhere: Region, shard: str) -> StoredTensor:
    element = ELEMENT_TYPES[view.dtype]
    itemsize = element.bits // 8
    nbytes = prod(view.shape) * itemsize
    found = PlacedStorage(region=nowhere, offset=0, nbytes=0, fault="it has no storage")
    identity = None
    fault = view.fault
    if view.storage is not None and fault is None:
        found = place(view.storage)
        start = view.storage.start + view.offset
        end = (start + last_element(view.shape, view.strides) + 1) * itemsize if nbytes else 0
        declared = view.storage.length * ELEMENT_TYPES[view.storage.dtype].bits // 8
        fault = found.fault
        if fault is None and end > min(found.nbytes, declared + view.storage.start * itemsize):
            fault = f"it needs {end} bytes of the storage {quoted(view.storage.key)}, which has {found.nbytes}"
        if fault is None and nbytes > max(found.nbytes, _LARGEST_EXPANDED):
            fault = f"it repeats {found.nbytes} stored bytes to {nbytes}"
        identity = f"{shard}:{view.storage.key}+{start * itemsize}:{view.dtype}{view.shape}{view.strides}"
    start = (view.storage.start if view.storage else 0) + view.offset
    return StoredTensor(
        info=TensorInfo(
            name=name,
            shape=view.shape,
            dtype=view.dtype,
            shard=shard,
            nbytes=nbytes if fault is None else 0,
            storage=identity,
        ),
        element=element,
        region=found.region,
        offset=found.offset + start * itemsize,
        strides=None if is_contiguous(view.shape, view.strides) else view.strides,
        swap=found.swap,
        fault=fault,
    )
