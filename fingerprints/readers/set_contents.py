"""All files of one set of weights, put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fingerprints.checkpoint import Finding
from fingerprints.errors import CorruptCheckpoint
from fingerprints.readers.config import PARAMS, read_config
from fingerprints.readers.containment import require_inside
from fingerprints.readers.dcp import FORMAT as DISTRIBUTED
from fingerprints.readers.dcp import read_distributed
from fingerprints.readers.found_set import FoundSet
from fingerprints.readers.quoting import quoted
from fingerprints.readers.reader import FileContents
from fingerprints.readers.recognition import require_reader
from fingerprints.readers.row_tensor import RowTensor
from fingerprints.readers.sharded_sets import SLICES
from fingerprints.readers.slices import join_slices
from fingerprints.readers.source import SourceFile

_HINT = "the index and the shards do not belong together; download all of them again"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetContents:
    """What a set of weights holds; the fields are those of `FileContents`, over all files, `sources` with these."""

    format: str
    containers: Mapping[str, Mapping[str, RowTensor]]
    metadata: Mapping[str, str]
    findings: tuple[Finding, ...]
    sources: tuple[SourceFile, ...]


def read_set(known: FoundSet) -> SetContents:
    """Describe the tensors of all files of a set.

    Raises
    ------
    CheckpointError
        When a file cannot be used, or files and index contradict each other.
    """
    if known.fault is not None:
        raise known.fault
    if known.format == DISTRIBUTED and not known.trusted:
        content = read_distributed(known.folder)
        return SetContents(
            format=content.format,
            containers=content.containers,
            metadata={},
            findings=content.findings,
            sources=content.sources,
        )
    findings = [Finding(code="index-unreadable", subject=known.name, message=note) for note in known.notes]
    sources = tuple(
        SourceFile(known.folder / name if known.trusted else require_inside(known.folder, name)) for name in known.files
    )
    contents: list[FileContents] = []
    for name, source in zip(known.files, sources, strict=True):
        try:
            contents.append(require_reader(source).read(source, name))
        finally:
            source.close()
    for content in contents:
        findings += content.findings
    containers: Mapping[str, Mapping[str, RowTensor]]
    if known.format == SLICES:
        params, unusable = read_config(known.folder, PARAMS)
        slices = [next(iter(content.containers.values())) for content in contents]
        findings += unusable
        containers = {"": join_slices(known.folder, slices, params)}
    elif len(contents) == 1 and known.index is None:
        containers = contents[0].containers
    else:
        tensors = _merge(known, contents)
        findings += _check_index(known, tensors)
        containers = {"": tensors}
    metadata: dict[str, str] = {}
    for content in reversed(contents):
        metadata.update(content.metadata)
    return SetContents(
        format=contents[0].format,
        containers=containers,
        metadata=metadata,
        findings=tuple(findings),
        sources=(*sources, *(source for content in contents for source in content.sources)),
    )


def _merge(known: FoundSet, contents: list[FileContents]) -> dict[str, RowTensor]:
    merged: dict[str, RowTensor] = {}
    for name, content in zip(known.files, contents, strict=True):
        tensors = next(iter(content.containers.values()))
        twice = sorted(tensors.keys() & merged.keys())
        if twice:
            raise CorruptCheckpoint(
                f"{len(twice)} tensors are in two shards: {quoted(twice[0])} is in"
                f" {quoted(merged[twice[0]].info.shard)} and in {quoted(name)}",
                path=known.folder / name,
                hint=_HINT,
                actual=len(twice),
            )
        merged.update(tensors)
    return merged


def _check_index(known: FoundSet, tensors: Mapping[str, RowTensor]) -> list[Finding]:
    """Require that every tensor is where the index says; report those that it leaves out."""
    if known.index is None:
        return []
    weight_map = known.index.weight_map
    lacking = [name for name, shard in weight_map.items() if name not in tensors or tensors[name].info.shard != shard]
    if lacking:
        first = lacking[0]
        raise CorruptCheckpoint(
            f"{len(lacking)} of {len(weight_map)} tensors are not in the shards that the index names:"
            f" {quoted(first)} is not in {quoted(weight_map[first])}",
            path=known.index.path,
            hint=_HINT,
            limit=len(weight_map),
            actual=len(weight_map) - len(lacking),
        )
    omitted = [name for name in tensors if name not in weight_map]
    if not omitted:
        return []
    return [
        Finding(
            code="index-omits-tensors",
            subject=known.name,
            message=f"the index leaves out {len(omitted)} of {len(tensors)} tensors, such as {quoted(omitted[0])}",
        )
    ]
