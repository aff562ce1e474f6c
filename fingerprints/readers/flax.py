"""Flax message packs, `flax_model.msgpack`: nested parameters, each array an extension with shape, type and bytes.

Format: https://github.com/google/flax/blob/main/flax/serialization.py (`msgpack_serialize`); extension 1 is an array,
and arrays of more than 1 GiB are flat chunks under the key `__msgpack_chunked_array__`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, Final

from fingerprints.checkpoint import TensorInfo
from fingerprints.errors import NotACheckpoint
from fingerprints.readers.chained_region import ChainedRegion
from fingerprints.readers.decoded_tensor import DecodedTensor, broken
from fingerprints.readers.element_types import OTHER_BYTE_ORDER, ElementType
from fingerprints.readers.message_pack import MAX_TEXT, Located, MessagePack
from fingerprints.readers.numpy_names import find_element
from fingerprints.readers.quoting import quoted
from fingerprints.readers.reader import MAX_RANK, FileContents
from fingerprints.readers.row_tensor import RowTensor
from fingerprints.readers.source import SourceFile
from fingerprints.readers.stored_tensor import StoredTensor

_ARRAY: Final = 1
_BESIDE: Final = ("batch_stats",)
"""Collections beside the parameters that belong to the model."""
_CHUNKED: Final = "__msgpack_chunked_array__"
_HINT: Final = "give the file that holds the parameters, flax_model.msgpack"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Array:
    """An array in the file; `stretches` are the offsets and lengths of its bytes, in order."""

    element: ElementType | None
    shape: tuple[int, ...]
    stretches: tuple[tuple[int, int], ...]
    fault: str | None = None


class FlaxReader:
    """Reads `*.msgpack`."""

    format = "flax"
    suffixes = (".msgpack",)
    by_suffix = True
    readable = True

    def recognises(self, name: str, head: bytes) -> bool:
        """Whether the name says so; the content of a message pack does not."""
        return False

    def read(self, source: SourceFile, shard: str) -> FileContents:
        """Walk the file from array to array."""
        found = dict(_arrays(source, _parameters(MessagePack(source).value()), ""))
        if not found:
            raise NotACheckpoint(
                f"{quoted(str(source.path))} is a message pack of {source.size} bytes with 0 arrays",
                path=source.path,
                hint=_HINT,
            )
        tensors = {name: _tensor(source, name, array, shard) for name, array in found.items()}
        return FileContents(format=self.format, containers={"": tensors})


def _parameters(root: object) -> object:
    """Return what of a training state is the model: `params`, and tables such as `batch_stats` beside it."""
    while isinstance(root, dict) and isinstance(root.get("params"), dict) and _CHUNKED not in root["params"]:
        beside = {key: value for key, value in root.items() if key in _BESIDE and isinstance(value, dict)}
        root = {**root["params"], **beside}
    return root


def _arrays(source: SourceFile, node: object, name: str) -> Iterator[tuple[str, _Array]]:
    """Yield the arrays below a node by the keys that lead to them, joined by dots."""
    if isinstance(node, Located) and node.kind == _ARRAY:
        yield name or "tensor", _array(source, node)
    elif isinstance(node, dict) and node.get(_CHUNKED) is True:
        yield name or "tensor", _chunked(source, node)
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _arrays(source, value, f"{name}.{key}"[:MAX_TEXT] if name else str(key))


def _array(source: SourceFile, place: Located) -> _Array:
    """Describe an array by what its extension begins with: shape, name of the type, length of the bytes."""
    fields = MessagePack(source, place.offset, place.offset + place.nbytes).value()
    shape, name, data = fields if isinstance(fields, list) and len(fields) == 3 else (None, None, None)
    lengths = _shape(shape)
    element = find_element(name)
    if lengths is None or not isinstance(data, Located):
        return _Array(element=None, shape=(), stretches=(), fault="its extension is not shape, type and bytes")
    needed = prod(lengths) * element.bits // 8 if element is not None else data.nbytes
    fault = f"its type {quoted(str(name), 40)} is not known" if element is None else None
    if needed != data.nbytes:
        fault = f"its shape needs {needed} bytes and {data.nbytes} are there"
    return _Array(element=element, shape=lengths, stretches=((data.offset, data.nbytes),), fault=fault)


def _chunked(source: SourceFile, node: dict[Any, Any]) -> _Array:
    """Describe an array that was written in flat chunks."""
    shape = _shape(_in_order(node.get("shape")))
    places = _in_order(node.get("chunks"))
    chunks = [_array(source, place) for place in places if isinstance(place, Located) and place.kind == _ARRAY]
    if shape is None or not chunks or len(chunks) != len(places):
        return _Array(element=None, shape=(), stretches=(), fault="its chunks are not listed")
    element = chunks[0].element
    stretches = tuple(stretch for chunk in chunks for stretch in chunk.stretches)
    fault = next((chunk.fault for chunk in chunks if chunk.fault is not None), None)
    if fault is None and any(chunk.element is not element for chunk in chunks):
        fault = f"its {len(chunks)} chunks are of different types"
    there = sum(nbytes for _, nbytes in stretches)
    if fault is None and element is not None and prod(shape) * element.bits // 8 != there:
        fault = f"its shape needs {prod(shape) * element.bits // 8} bytes and its {len(chunks)} chunks have {there}"
    return _Array(element=element, shape=shape, stretches=stretches, fault=fault)


def _shape(value: object) -> tuple[int, ...] | None:
    if not isinstance(value, list) or len(value) > MAX_RANK:
        return None
    return tuple(value) if all(type(length) is int and length >= 0 for length in value) else None


def _in_order(entries: object) -> list[Any]:
    """Return the items of a tuple, which Flax writes as a map from "0", "1", …"""
    if not isinstance(entries, dict):
        return []
    return [entries[str(at)] for at in range(len(entries)) if str(at) in entries]


def _tensor(source: SourceFile, name: str, array: _Array, shard: str) -> RowTensor:
    nbytes = sum(length for _, length in array.stretches)
    element = array.element
    dtype = "U8" if element is None else element.name
    info = TensorInfo(name=name, shape=array.shape, dtype=dtype, shard=shard, nbytes=nbytes if not array.fault else 0)
    if array.fault is not None or element is None:
        return broken(info, source.path, array.fault or "its type is not known")
    swap = OTHER_BYTE_ORDER == "little"
    if len(array.stretches) == 1:
        return StoredTensor(info=info, element=element, region=source, offset=array.stretches[0][0], swap=swap)
    chained = StoredTensor(info=info, element=element, region=ChainedRegion(source, array.stretches), swap=swap)
    return DecodedTensor(info=info, decode=chained.take, row_bytes=prod(array.shape[1:]) * element.bits // 8)
