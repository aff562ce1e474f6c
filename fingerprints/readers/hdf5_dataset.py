"""One data set of an HDF5 file as a tensor."""

from __future__ import annotations

import io
from importlib import import_module
from math import prod
from typing import Any, Final

import numpy as np

from fingerprints.checkpoint import Array, TensorInfo
from fingerprints.readers.decoded_tensor import DecodedTensor, Rows, broken, unreadable
from fingerprints.readers.element_types import ElementType
from fingerprints.readers.numpy_names import find_element
from fingerprints.readers.reader import MAX_RANK
from fingerprints.readers.row_tensor import RowTensor
from fingerprints.readers.source import SourceFile, WindowStream
from fingerprints.readers.stored_tensor import StoredTensor

_MAX_CHUNK: Final = 1 << 26
"""Bytes of the largest chunk that is unpacked."""
_MOST_SQUEEZED: Final = 1100
"""How many bytes a stored one stands for at most; DEFLATE reaches 1032."""


def describe_dataset(name: str, dataset: Any, source: SourceFile, shard: str) -> RowTensor | None:
    """Return the tensor, or None where the data set holds no numbers.

    One that is stored in a single piece is read from `source` directly. One in chunks is read through the library,
    which unpacks whole chunks.
    """
    element = _element(dataset)
    shape = dataset.shape
    if element is None or shape is None:
        return None
    nbytes = prod(shape) * element.bits // 8
    stored = int(dataset.id.get_storage_size())
    info = TensorInfo(name=name, shape=tuple(shape), dtype=element.name, shard=shard, nbytes=stored)
    if len(shape) > MAX_RANK:
        return broken(info, source.path, f"it has {len(shape)} axes, more than {MAX_RANK}")
    if dataset.external is not None or dataset.is_virtual:
        return broken(info, source.path, "its numbers lie in other files, which are not opened")
    offset = dataset.id.get_offset()
    swap = dataset.dtype.newbyteorder("=") != dataset.dtype and element.bits > 8
    if not nbytes:
        return StoredTensor(info=info, element=element, region=source)
    if dataset.chunks is None and offset is not None:
        if stored != nbytes or offset + nbytes > source.size:
            reason = f"it needs {nbytes} bytes, and {min(stored, max(source.size - offset, 0))} are there"
            return broken(info, source.path, reason)
        return StoredTensor(info=info, element=element, region=source, offset=int(offset), swap=swap)
    if stored * _MOST_SQUEEZED < nbytes or stored > source.size:
        return broken(info, source.path, f"it is {nbytes} bytes, and {stored} are stored for them")
    chunk = prod(dataset.chunks or shape) * element.bits // 8
    row = prod(shape[1:]) * element.bits // 8
    if max(chunk, row) > _MAX_CHUNK:
        return broken(info, source.path, f"its chunks of {chunk} or rows of {row} bytes are larger than {_MAX_CHUNK}")
    return _through_library(info, dataset.name, source, element, swap=swap)


def _element(dataset: Any) -> ElementType | None:
    """Return the element type of numbers; bfloat16 is written by Keras as two opaque bytes and an attribute."""
    kind = dataset.dtype
    if kind.kind == "V":
        named = dataset.attrs.get("dtype")
        return find_element("bfloat16") if kind.itemsize == 2 and named == "bfloat16" else None
    return find_element(kind.newbyteorder("=").name) if kind.kind in "biufc" else None


def _through_library(
    info: TensorInfo, path_inside: str, source: SourceFile, element: ElementType, *, swap: bool
) -> DecodedTensor:
    row = prod(info.shape[1:]) * element.bits // 8

    def decode(indices: Rows) -> tuple[Array, int]:
        source.check()
        try:
            stream = io.BufferedReader(WindowStream(source, 0, source.size), 1 << 16)
            with import_module("h5py").File(stream, "r") as file:
                dataset = file[path_inside]
                if tuple(dataset.shape) != info.shape:
                    raise unreadable(info, source.path, "the file changed while it was read")
                raw = dataset[_wanted(indices)] if info.shape else dataset[()]
        except (OSError, RuntimeError, KeyError, ValueError) as error:
            raise unreadable(info, source.path, str(error)[:200]) from error
        plain = np.ascontiguousarray(raw).reshape(-1).view(np.uint8)
        shape = (len(indices), *info.shape[1:])
        return element.decode(plain.copy(), shape, swap=swap), len(indices) * row

    return DecodedTensor(info=info, decode=decode, row_bytes=row)


def _wanted(indices: Rows) -> Any:
    """Return a range where rows follow each other, which the library reads far faster."""
    if len(indices) and indices[-1] - indices[0] + 1 == len(indices):
        return slice(int(indices[0]), int(indices[-1]) + 1)
    return indices if len(indices) else slice(0, 0)
