"""Opening a checkpoint: find its sets of weights, choose one, describe its tensors, compare it with the others."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

from fingerprints.checkpoint import Checkpoint, Finding, Origin, WeightSet
from fingerprints.errors import CheckpointError
from fingerprints.readers.choosing import choose, container_of, listing
from fingerprints.readers.config import PARAMS, read_config
from fingerprints.readers.empty_shape import refuse_impossible
from fingerprints.readers.folder import find_sets
from fingerprints.readers.found_set import FoundSet, is_plain_sub_folder, rank_of
from fingerprints.readers.gguf_claims import claimed_config
from fingerprints.readers.mount import public_name, revision_of
from fingerprints.readers.name_length import require_short
from fingerprints.readers.packed import SCHEMES, unpack
from fingerprints.readers.pipeline import FORMAT as PIPELINE
from fingerprints.readers.pipeline import INDEX_NAME, PipelineCheckpoint, pipeline_parts
from fingerprints.readers.quoting import listed
from fingerprints.readers.recognition import find_reader
from fingerprints.readers.rotary_order import undo_interleaving
from fingerprints.readers.set_contents import read_set
from fingerprints.readers.set_findings import set_findings
from fingerprints.readers.sharded_sets import INDEX, SLICE, lone_slice
from fingerprints.readers.source import SourceFile
from fingerprints.readers.stored_checkpoint import StoredCheckpoint


def open_checkpoint(path: str | Path, *, variant: str | None = None) -> Checkpoint:
    """Open a file or folder of weights, in any format that is read. Tensor data is not read until it is asked for.

    Parameters
    ----------
    path : str or Path
        A checkpoint file, an index file, or a folder.
    variant : str, optional
        Name of a set of weights, where there are several; `fingerprints.readers.folder` says which one is taken
        otherwise.

    Raises
    ------
    CheckpointError
        When the input is at fault: one of the subclasses in `fingerprints.errors`.
    UsageError
        When there is no set called `variant`.
    """
    place = Path(path)
    found = _find(place)
    if variant is None and (parts := pipeline_parts(place, found)):
        return _open_pipeline(str(path), found, parts)
    chosen, label = choose(place, found, variant)
    if chosen.inside:
        inner = open_checkpoint(chosen.folder)
        origin = replace(inner.origin, reference=public_name(str(path)), weight_sets=listing(found, chosen, None, None))
        return inner.with_origin(origin) if isinstance(inner, StoredCheckpoint) else inner
    contents = read_set(chosen)
    label, tensors = container_of(contents, label, chosen, found)
    require_short(tensors, place)
    tensors = refuse_impossible(tensors, place)
    config, findings = read_config(chosen.folder)
    config = {**claimed_config(contents.metadata), **config}
    findings += [*contents.findings, *set_findings(place, found, chosen, tensors)]
    tensors, reordered = undo_interleaving(tensors, read_config(chosen.folder, PARAMS)[0], config)
    findings += reordered
    tensors, unpacked = unpack(SCHEMES, tensors, config)
    findings += unpacked
    origin = Origin(
        reference=public_name(str(path)),
        path=place,
        format=contents.format,
        shards=chosen.files,
        weight_sets=listing(found, chosen, contents, label),
        findings=tuple(findings),
        config=config,
        metadata=contents.metadata,
        revision=revision_of(place),
    )
    return StoredCheckpoint(origin, tensors, contents.sources)


def weight_sets(path: str | Path) -> tuple[WeightSet, ...]:
    """Return all sets of weights at `path`, in order of precedence; the one that `open_checkpoint` takes is `chosen`.

    A set is `readable` if its format is, and nothing is known to be wrong with it.

    Raises
    ------
    NotACheckpoint
        When there is nothing at `path`, or it cannot be looked at.
    """
    place = Path(path)
    found = _find(place)
    if found and is_plain_sub_folder(found[0]):
        return _pipeline_listing(found, pipeline_parts(place, found))
    chosen, _ = choose(place, found, None)
    if chosen.inside or chosen.fault is not None:
        return listing(found, chosen, None, None)
    try:
        contents = read_set(chosen)
    except CheckpointError as error:
        broken = replace(chosen, fault=error)
        return listing([broken if known is chosen else known for known in found], broken, None, None)
    return listing(found, chosen, contents, next(iter(contents.containers)))


def _open_pipeline(reference: str, found: list[FoundSet], parts: list[FoundSet]) -> Checkpoint:
    """Open the models of a pipeline as one; those that cannot be read are left out and reported, unless all are."""
    opened: dict[str, Checkpoint] = {}
    findings: list[Finding] = []
    faults: list[CheckpointError] = []
    for part in parts:
        try:
            opened[part.name] = open_checkpoint(part.folder)
        except CheckpointError as error:
            faults.append(error)
            findings.append(Finding(code="component-unreadable", subject=part.name, message=error.message))
    if not opened:
        raise faults[0]
    names = listed(list(opened), 32)
    findings.insert(
        0,
        Finding(code="pipeline", subject=INDEX_NAME, message=f"{len(opened)} models were read as one: {names}"),
    )
    for name, checkpoint in opened.items():
        findings += [replace(each, subject=f"{name}/{each.subject}") for each in checkpoint.origin.findings]
    origin = Origin(
        reference=public_name(reference),
        path=Path(reference),
        format=PIPELINE,
        shards=tuple(f"{name}/{shard}" for name, each in opened.items() for shard in each.origin.shards),
        weight_sets=_pipeline_listing(found, [part for part in parts if part.name in opened]),
        findings=tuple(findings),
        revision=revision_of(Path(reference)),
    )
    return PipelineCheckpoint(origin, opened)


def _pipeline_listing(found: list[FoundSet], parts: list[FoundSet]) -> tuple[WeightSet, ...]:
    names = {part.name for part in parts}
    return tuple(replace(each, chosen=each.name in names) for each in listing(found, None, None, None))


def _find(place: Path) -> list[FoundSet]:
    try:
        is_folder = stat.S_ISDIR(place.stat().st_mode)
    except (OSError, ValueError):
        is_folder = False
    if is_folder:
        return find_sets(place)
    if INDEX.match(place.name):
        return [known for known in find_sets(place.parent, nested=False) if known.index_name == place.name]
    source = SourceFile(place)
    reader = find_reader(source)
    source.close()
    if reader is not None and (match := SLICE.match(place.name)):
        return [lone_slice(place, match, source.size)]
    return [
        FoundSet(
            name=place.name,
            folder=place.parent,
            format=reader.format if reader else "unknown",
            files=(place.name,),
            nbytes=source.size,
            rank=rank_of(place.name),
            trusted=True,
        )
    ]
