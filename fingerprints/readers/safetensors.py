"""The safetensors format: a JSON header that says where in the file each tensor lies.

Format: https://huggingface.co/docs/safetensors/index#format
"""

from __future__ import annotations

from fingerprints.checkpoint import Finding, TensorInfo
from fingerprints.errors import CorruptCheckpoint, LimitExceeded, NotACheckpoint
from fingerprints.readers.bounded_json import parse_object
from fingerprints.readers.element_types import OTHER_BYTE_ORDER
from fingerprints.readers.quoting import quoted
from fingerprints.readers.reader import FileContents
from fingerprints.readers.safetensors_entry import Entry, parse_entry
from fingerprints.readers.source import SourceFile
from fingerprints.readers.stored_tensor import StoredTensor

MAX_HEADER = 100_000_000
"""Bytes of the largest header that the format allows."""

_HINT = "the file is damaged or was not written as safetensors; download it again and compare its sha256"


class SafetensorsReader:
    """Reads `*.safetensors`."""

    format = "safetensors"
    suffixes = (".safetensors",)
    by_suffix = True
    readable = True

    def recognises(self, name: str, head: bytes) -> bool:
        """Whether the file begins with a plausible header length and an opening brace."""
        return len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= MAX_HEADER

    def read(self, source: SourceFile, shard: str) -> FileContents:
        """Parse the header and check every entry of it against the size of the file."""
        path = source.path
        header, begin = _header(source)
        metadata, findings = _metadata(header, shard)
        entries = [parse_entry(name, value, path=path, hint=_HINT) for name, value in header.items()]
        findings += _check_layout(entries, source, begin, shard)
        tensors = {
            entry.name: StoredTensor(
                info=TensorInfo(
                    name=entry.name,
                    shape=entry.shape,
                    dtype=entry.element.name,
                    shard=shard,
                    nbytes=entry.stop - entry.start,
                ),
                element=entry.element,
                region=source,
                offset=begin + entry.start,
                swap=OTHER_BYTE_ORDER == "little",
            )
            for entry in entries
        }
        if not tensors:
            raise NotACheckpoint(
                f"{quoted(str(path))} is a safetensors file with 0 tensors",
                path=path,
                hint="give the file that holds the weights",
            )
        return FileContents(format=self.format, containers={"": tensors}, metadata=metadata, findings=tuple(findings))


def _header(source: SourceFile) -> tuple[dict[str, object], int]:
    path, size = source.path, source.size
    if size < 8:
        raise CorruptCheckpoint(
            f"{quoted(str(path))} has {size} bytes, too few for the 8 that begin a safetensors file",
            path=path,
            hint=_HINT,
            actual=size,
            limit=8,
        )
    length = int.from_bytes(source.read(0, 8), "little")
    if length > size - 8:
        raise CorruptCheckpoint(
            f"the header of {quoted(str(path))} claims {length} bytes, but only {size - 8} follow",
            path=path,
            hint=_HINT,
            offset=0,
            limit=size - 8,
            actual=length,
        )
    if length > MAX_HEADER:
        raise LimitExceeded(
            f"the header of {quoted(str(path))} has {length} bytes, more than {MAX_HEADER}",
            path=path,
            hint=_HINT,
            limit=MAX_HEADER,
            actual=length,
        )
    header = parse_object(source.read(8, length), path=path, what="the header", hint=_HINT, offset=8)
    return header, 8 + length


def _metadata(header: dict[str, object], shard: str) -> tuple[dict[str, str], list[Finding]]:
    found = header.pop("__metadata__", None)
    if found is None:
        return {}, []
    if not isinstance(found, dict):
        return {}, [_odd(shard, f"__metadata__ is a {type(found).__name__}, not an object, and was left out")]
    metadata = {key: value for key, value in found.items() if isinstance(value, str)}
    left_out = len(found) - len(metadata)
    if left_out:
        return metadata, [_odd(shard, f"{left_out} of {len(found)} values of __metadata__ are not text")]
    return metadata, []


def _check_layout(entries: list[Entry], source: SourceFile, begin: int, shard: str) -> list[Finding]:
    """Require that the data of all tensors lies in the file and nowhere overlaps; report bytes that none claims."""
    path, available = source.path, source.size - begin
    end = 0
    unclaimed = 0
    previous = ""
    for entry in sorted(entries, key=lambda entry: (entry.start, entry.stop)):
        if entry.start == entry.stop:
            continue
        if entry.start < end:
            raise CorruptCheckpoint(
                f"the tensors {quoted(previous)} and {quoted(entry.name)} of {quoted(str(path))} overlap:"
                f" one ends at byte {end} of the data, the other begins at byte {entry.start}",
                path=path,
                hint=_HINT,
                offset=begin + entry.start,
            )
        unclaimed += entry.start - end
        end, previous = entry.stop, entry.name
    furthest = max((entry.stop for entry in entries), default=0)
    if furthest > available:
        raise CorruptCheckpoint(
            f"{quoted(str(path))} is truncated: its header describes {furthest} bytes of data and {available} are"
            f" there, so {furthest - available} bytes are missing",
            path=path,
            hint="the download was cut short; download the file again",
            offset=source.size,
            limit=available,
            actual=furthest,
        )
    unclaimed += available - end
    if unclaimed:
        return [
            Finding(
                code="unclaimed-bytes",
                subject=shard,
                message=f"{unclaimed} of {available} bytes of data belong to no tensor",
            )
        ]
    return []


def _odd(shard: str, message: str) -> Finding:
    return Finding(code="metadata-unreadable", subject=shard, message=message)
