"""Where the elements of an ONNX tensor lie: in the model's file, as plain bytes or varints, or in a file beside it.

External data: https://github.com/onnx/onnx/blob/main/docs/ExternalData.md
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Final

from fingerprints.checkpoint import TensorInfo
from fingerprints.errors import CorruptCheckpoint, NotACheckpoint
from fingerprints.readers.containment import require_inside
from fingerprints.readers.element_types import ELEMENT_TYPES, OTHER_BYTE_ORDER, ElementType
from fingerprints.readers.onnx_graph import TensorProto
from fingerprints.readers.onnx_varints import VarintRegion
from fingerprints.readers.onnx_wire import LENGTH
from fingerprints.readers.quoting import quoted
from fingerprints.readers.reader import MAX_RANK
from fingerprints.readers.source import Region, SourceFile
from fingerprints.readers.stored_tensor import StoredTensor

STRING: Final = 8
"""The type of tensors of text, which are no weights."""
HALVES: Final = {21: "U4", 22: "I4"}
"""Types of integers of 4 bits by number, two to a byte; they are kept as bytes (`U8`)."""

_MAX_SIZE: Final = 1 << 48
_TYPES: Final = {
    1: "F32",
    2: "U8",
    3: "I8",
    4: "U16",
    5: "I16",
    6: "I32",
    7: "I64",
    9: "BOOL",
    10: "F16",
    11: "F64",
    12: "U32",
    13: "U64",
    14: "C64",
    15: "C128",
    16: "BF16",
    17: "F8_E4M3",
    18: "F8_E4M3FNUZ",
    19: "F8_E5M2",
    20: "F8_E5M2FNUZ",
    23: "F4",
    24: "F8_E8M0",
}
_PLAIN: Final = {4: ("F32", "C64"), 10: ("F64", "C128")}
"""Fields whose elements have a fixed length: number of the field to types."""
_DIGITS: Final = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where elements lie: `size` bytes of them, or None if only reading tells."""

    region: Region
    offset: int
    size: int | None
    shard: str


class TensorData:
    """Finds the elements of tensors of one model."""

    def __init__(self, source: SourceFile, shard: str) -> None:
        self._source, self._shard = source, shard
        self._files: dict[str, SourceFile] = {}

    @property
    def sources(self) -> tuple[SourceFile, ...]:
        """The files beside the model that tensors lie in."""
        return tuple(self._files.values())

    def stored(self, tensor: TensorProto) -> StoredTensor:
        """Return a tensor as it lies in the file; what is wrong with it alone becomes its fault.

        Raises
        ------
        CorruptCheckpoint
            When its data is in a file that is not there, or outside of the folder.
        """
        name = _TYPES.get(tensor.data_type)
        element = ELEMENT_TYPES[name or "U8"]
        shape, fault = _shape(tensor.dims)
        halves = tensor.data_type in HALVES
        if name is None and not halves:
            fault = fault or f"its type is number {tensor.data_type}, which is not known"
        if tensor.segmented:
            fault = fault or "it is a segment of a tensor"
        size = -(-prod(shape) // 2) if halves else element.stored_bytes(prod(shape))
        place = None if fault else self._place(tensor, element, prod(shape))
        if isinstance(place, str):
            place, fault = None, place
        if size is None:
            fault = fault or f"{prod(shape)} elements of {element.bits} bits do not end on a byte"
        elif place is not None and place.size is not None and place.size != size:
            fault = f"its shape {list(shape)} takes {size} bytes, and {place.size} are there"
        return StoredTensor(
            info=TensorInfo(
                name=tensor.key,
                shape=shape,
                dtype=element.name,
                shard=place.shard if place else self._shard,
                nbytes=size or 0 if fault is None else 0,
            ),
            element=element,
            region=place.region if place else self._source,
            offset=place.offset if place else 0,
            swap=OTHER_BYTE_ORDER == "little",
            fault=fault,
        )

    def _place(self, tensor: TensorProto, element: ElementType, count: int) -> _Place | str:
        """Where the elements lie, or why that cannot be said."""
        if tensor.external is not None:
            return self._outside(tensor.external)
        if tensor.raw is not None and (tensor.raw.stop > tensor.raw.start or not tensor.typed):
            return _Place(self._source, tensor.raw.start, tensor.raw.stop - tensor.raw.start, self._shard)
        if not tensor.typed:
            return _Place(self._source, 0, 0, self._shard)
        first = tensor.typed[0]
        if len(tensor.typed) > 1:
            return "its data is in more than one piece"
        if first.number in _PLAIN:
            if element.name not in _PLAIN[first.number]:
                return f"it is {element.name}, but its data is in field {first.number}"
            return _Place(self._source, first.start, first.stop - first.start, self._shard)
        length = first.stop - first.start
        if first.wire not in (0, LENGTH) or element.bits % 8:
            return f"its data is in field {first.number} with wire type {first.wire}"
        # 4-bit elements are packed into bytes, and each byte is one integer.
        expected = -(-count // 2) if tensor.data_type in HALVES else count
        if expected > length:
            return f"its {expected} elements cannot be in the {length} bytes of data"
        region = VarintRegion(
            self._source,
            first.start,
            first.stop,
            itemsize=element.bits // 8,
            count=expected,
            tensor=tensor.key,
        )
        return _Place(region, 0, None, self._shard)

    def _outside(self, known: Mapping[str, str]) -> _Place | str:
        location = known.get("location", "")
        numbers = {}
        for name in ("offset", "length"):
            text = known.get(name)
            if text is not None and not _DIGITS.fullmatch(text):
                return f"the {name} of its external data is {quoted(text)}, not a number of bytes"
            numbers[name] = None if text is None else int(text)
        file = self._file(location)
        offset = numbers["offset"] or 0
        length = file.size - offset if numbers["length"] is None else numbers["length"]
        if offset + length > file.size or length < 0:
            return (
                f"its external data is {max(length, 0)} bytes at byte {offset} of {quoted(location)},"
                f" which has {file.size} bytes"
            )
        return _Place(file, offset, length, location)

    def _file(self, location: str) -> SourceFile:
        found = self._files.get(location)
        if found is not None:
            return found
        path = self._source.path
        target = require_inside(path.parent, location)
        try:
            found = SourceFile(target)
        except NotACheckpoint as error:
            raise CorruptCheckpoint(
                f"{quoted(str(path))} keeps its weights in {quoted(location)}, which cannot be used: {error.message}",
                path=path,
                hint="download that file, too, and put it beside the model",
            ) from error
        self._files[location] = found
        return found


def transposed(stored: StoredTensor) -> StoredTensor:
    """Return a matrix, whose rows follow each other in the file, with its columns as rows."""
    rows, columns = stored.info.shape
    info = replace(stored.info, shape=(columns, rows))
    return replace(stored, info=info, strides=(1, columns))


def _shape(dims: tuple[int, ...]) -> tuple[tuple[int, ...], str | None]:
    """The shape that is claimed, or that of an empty vector and what is wrong with it."""
    if len(dims) > MAX_RANK:
        return (0,), f"it has more than {MAX_RANK} axes"
    if any(length < 0 for length in dims):
        return (0,), f"its shape {list(dims)} has a negative length"
    if prod(dims) > _MAX_SIZE or any(length > _MAX_SIZE for length in dims):
        return (0,), f"its shape {list(dims)} has more than {_MAX_SIZE} elements"
    return dims, None
