"""The GGUF format of llama.cpp: metadata, tensors under llama.cpp's own names, most of them in quantised blocks.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Final

from fingerprints.checkpoint import Encoding, Finding, TensorInfo
from fingerprints.errors import CorruptCheckpoint, NotACheckpoint
from fingerprints.readers.element_types import ELEMENT_TYPES, OTHER_BYTE_ORDER
from fingerprints.readers.gguf_blocks import BlockTensor, block_types
from fingerprints.readers.gguf_cursor import HINT
from fingerprints.readers.gguf_header import Header, TensorEntry, read_header
from fingerprints.readers.gguf_rotary import RotaryOrder
from fingerprints.readers.gguf_split import SPLIT_COUNT, check_split, common_metadata
from fingerprints.readers.gguf_values import shown
from fingerprints.readers.interleaved_rows import in_order, may_be_heads
from fingerprints.readers.quoting import quoted
from fingerprints.readers.reader import FileContents
from fingerprints.readers.row_tensor import RowTensor
from fingerprints.readers.source import SourceFile
from fingerprints.readers.stored_tensor import StoredTensor

_MAGIC: Final = b"GGUF"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One tensor and the bytes `[start:stop]` of the file that it takes; none if its type is not known."""

    tensor: RowTensor
    start: int
    stop: int


class GgufReader:
    """Reads `*.gguf`."""

    format = "gguf"
    suffixes = (".gguf",)
    by_suffix = False
    readable = True

    def recognises(self, name: str, head: bytes) -> bool:
        """Whether the file begins with the magic number."""
        return head.startswith(_MAGIC)

    def read(self, source: SourceFile, shard: str) -> FileContents:
        """Parse the header and check every entry of it against the size of the file."""
        header = read_header(source)
        findings = check_split(header, source, shard)
        placed = [_place(entry, header, source, shard) for entry in header.tensors.values()]
        if not placed and (header.number(SPLIT_COUNT) or 0) < 2:
            raise NotACheckpoint(
                f"{quoted(str(source.path))} is a GGUF file with 0 tensors and {len(header.metadata)} keys",
                path=source.path,
                hint="give the file that holds the weights; this one may hold a vocabulary only",
            )
        _check_layout(placed, header.begin, source)
        order = RotaryOrder(metadata=common_metadata(header, source, shard))
        tensors, left = _reordered([each.tensor for each in placed], order)
        if left:
            findings.append(
                Finding(
                    code="rotary-order-unknown",
                    subject=shard,
                    message=f"the rows of {len(left)} of {len(placed)} tensors, such as {quoted(left[0])}, are in"
                    " llama.cpp's order: the numbers of heads in the metadata are missing or do not fit",
                )
            )
        return FileContents(
            format=self.format,
            containers={"": tensors},
            metadata={key: shown(value) for key, value in header.metadata.items()},
            findings=tuple(findings),
        )


def _place(entry: TensorEntry, header: Header, source: SourceFile, shard: str) -> Placed:
    """Describe a tensor; one that cannot be read says why when it is asked for."""
    kind = block_types().get(entry.type_id)
    start = header.begin + entry.offset
    if kind is None:
        return _unreadable(entry, source, shard, start, f"its type {entry.type_id} is not known")
    size = prod(entry.shape)
    width = entry.shape[-1] if entry.shape else 1
    if width % kind.elements:
        reason = f"its rows of {width} elements are not made of {kind.name} blocks of {kind.elements}"
        return _unreadable(entry, source, shard, start, reason, kind.encoding)
    nbytes = size // kind.elements * kind.nbytes
    info = TensorInfo(
        name=entry.name,
        shape=entry.shape,
        dtype=kind.name if kind.is_plain else "F32",
        shard=shard,
        nbytes=nbytes,
        encoding=None if kind.is_plain else kind.encoding,
    )
    tensor: RowTensor
    if kind.is_plain:
        element = ELEMENT_TYPES[kind.name]
        swap = OTHER_BYTE_ORDER == "little"
        tensor = StoredTensor(info=info, element=element, region=source, offset=start, swap=swap)
    elif kind.is_decoded and OTHER_BYTE_ORDER == "big":
        tensor = BlockTensor(info=info, kind=kind, source=source, offset=start)
    else:
        reason = f"blocks of the type {kind.name} are not decoded"
        return Placed(tensor=_faulty(info, source, reason), start=start, stop=start + nbytes)
    return Placed(tensor=tensor, start=start, stop=start + nbytes)


def _unreadable(
    entry: TensorEntry, source: SourceFile, shard: str, start: int, reason: str, encoding: Encoding | None = None
) -> Placed:
    named = encoding or Encoding(scheme=f"type {entry.type_id}", bits=0.0)
    info = TensorInfo(name=entry.name, shape=entry.shape, dtype="F32", shard=shard, nbytes=0, encoding=named)
    return Placed(tensor=_faulty(info, source, reason), start=start, stop=start)


def _faulty(info: TensorInfo, source: SourceFile, reason: str) -> StoredTensor:
    return StoredTensor(info=info, element=ELEMENT_TYPES[info.dtype], region=source, fault=reason)


def _reordered(tensors: list[RowTensor], order: RotaryOrder) -> tuple[dict[str, RowTensor], list[str]]:
    """Return the tensors by name with the rows of transformers, and the names of those where that was not possible."""
    found: dict[str, RowTensor] = {}
    left: list[str] = []
    for tensor in tensors:
        name = tensor.info.name
        found[name] = tensor
        if order.is_moved(name) and 0 not in (tensor.info.shape or (0,)) and tensor.cost(1) is not None:
            heads = order.heads(name)
            if heads is None or not may_be_heads(tensor, heads):
                left.append(name)
            else:
                found[name] = in_order(tensor, heads)
    return found, left


def _check_layout(placed: list[Placed], begin: int, source: SourceFile) -> None:
    """Require that the data of all tensors lies in the file and nowhere overlaps."""
    path = source.path
    end, previous = begin, ""
    for each in sorted(placed, key=lambda each: (each.start, each.stop)):
        name = each.tensor.info.name
        if each.start < end and each.start < each.stop:
            raise CorruptCheckpoint(
                f"the tensors {quoted(previous)} and {quoted(name)} of {quoted(str(path))} overlap:"
                f" one ends at byte {end}, the other begins at byte {each.start}",
                path=path,
                hint=HINT,
                offset=each.start,
            )
        if each.stop > each.start:
            end, previous = each.stop, name
    furthest = max((each.stop for each in placed), default=0)
    if furthest > source.size:
        raise CorruptCheckpoint(
            f"{quoted(str(path))} is truncated: its header describes {furthest} bytes and {source.size} are there,"
            f" so {furthest - source.size} bytes are missing",
            path=path,
            hint="the download was cut short; download the file again",
            offset=source.size,
            limit=source.size,
            actual=furthest,
        )
