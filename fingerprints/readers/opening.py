"""Opening a checkpoint: find its sets of weights, choose one, describe its tensors, compare it with the others."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from fingerprints.checkpoint import Checkpoint, Finding, Origin, WeightSet
from fingerprints.errors import CheckpointError, NotACheckpoint, UsageError
from fingerprints.readers.config import read_config
from fingerprints.readers.cross_check import disagreement
from fingerprints.readers.folder import find_sets
from fingerprints.readers.found_set import FoundSet, is_plain_sub_folder, rank_of
from fingerprints.readers.quoting import listed, quoted
from fingerprints.readers.recognition import find_reader
from fingerprints.readers.set_contents import SetContents, read_set
from fingerprints.readers.sharded_sets import INDEX, SHARD
from fingerprints.readers.source import SourceFile
from fingerprints.readers.stored_checkpoint import StoredCheckpoint
from fingerprints.readers.stored_tensor import StoredTensor

_MOST_COMPARED: Final = 4
"""Other sets that the chosen one is compared with."""


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
    found, chosen, label = _choose(place, _find(place), variant)
    if chosen.inside:
        inner = open_checkpoint(chosen.folder)
        origin = replace(inner.origin, reference=str(path), weight_sets=_listing(found, chosen, None, None))
        return inner.with_origin(origin) if isinstance(inner, StoredCheckpoint) else inner
    contents = read_set(chosen)
    label, tensors = _container(contents, label, chosen, found)
    config, findings = read_config(chosen.folder)
    findings += [
        *contents.findings,
        *_broken(found, chosen),
        *_part_of_shards(place, chosen),
        *_compare(found, chosen, tensors),
    ]
    origin = Origin(
        reference=str(path),
        path=place,
        format=contents.format,
        shards=chosen.files,
        weight_sets=_listing(found, chosen, contents, label),
        findings=tuple(findings),
        config=config,
        metadata=contents.metadata,
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
        return _listing(found, None, None, None)
    found, chosen, _ = _choose(place, found, None)
    if chosen.inside or chosen.fault is not None:
        return _listing(found, chosen, None, None)
    try:
        contents = read_set(chosen)
    except CheckpointError as error:
        broken = replace(chosen, fault=error)
        return _listing([broken if known is chosen else known for known in found], broken, None, None)
    return _listing(found, chosen, contents, next(iter(contents.containers)))


def _find(place: Path) -> list[FoundSet]:
    try:
        is_folder = stat.S_ISDIR(place.stat().st_mode)
    except (OSError, ValueError):
        is_folder = False
    if is_folder:
        return find_sets(place)
    if INDEX.match(place.name):
        return [known for known in find_sets(place.parent, nested=False) if _is_indexed_by(known, place.name)]
    source = SourceFile(place)
    reader = find_reader(source)
    source.close()
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


def _is_indexed_by(known: FoundSet, name: str) -> bool:
    return known.index_name == name


def _choose(place: Path, found: list[FoundSet], variant: str | None) -> tuple[list[FoundSet], FoundSet, str | None]:
    """Return the sets, the one that is meant, and the label of the container in it, if one was named."""
    if not found:
        raise NotACheckpoint(
            f"there are 0 files with weights in {quoted(str(place))}",
            path=place,
            hint="give the folder or file that holds the weights; they end in .safetensors, .bin, .pt, .pth or .ckpt",
        )
    if variant is None:
        if is_plain_sub_folder(found[0]):
            raise NotACheckpoint(
                f"there are no weights in {quoted(str(place))} itself, but in {len(found)} of its sub-folders:"
                f" {listed([known.name for known in found])}",
                path=place,
                hint="give one of the sub-folders, or name it as the variant",
            )
        return found, found[0], None
    for known in found:
        if variant == known.name:
            return found, known, None
    for known in found:
        if (variant,) == known.files or (len(known.files) == 1 and Path(known.files[0]).stem == variant):
            return found, known, None
        if variant.startswith(f"{known.name}:"):
            return found, known, variant.removeprefix(f"{known.name}:")
    if found[0].inside or found[0].fault is not None:
        raise _no_variant(variant, [known.name for known in found])
    return found, found[0], variant


def _container(
    contents: SetContents, label: str | None, chosen: FoundSet, found: list[FoundSet]
) -> tuple[str, Mapping[str, StoredTensor]]:
    if label is None:
        return next(iter(contents.containers.items()))
    if label not in contents.containers:
        names = [known.name for known in found if known is not chosen]
        raise _no_variant(label, [*_container_names(chosen, contents), *names])
    return label, contents.containers[label]


def _no_variant(variant: str, names: list[str]) -> UsageError:
    return UsageError(
        f"there is no set of weights called {quoted(variant)} among {len(names)}",
        hint=f"name one of {listed(names, 32)}",
    )


def _container_names(known: FoundSet, contents: SetContents) -> list[str]:
    labels = list(contents.containers)
    return [known.name] if len(labels) == 1 else [f"{known.name}:{label}" for label in labels]


def _listing(
    found: list[FoundSet], chosen: FoundSet | None, contents: SetContents | None, label: str | None
) -> tuple[WeightSet, ...]:
    sets: list[WeightSet] = []
    for known in found:
        entry = WeightSet(
            name=known.name,
            format=known.format,
            files=known.files,
            nbytes=known.nbytes,
            readable=known.fault is None,
            chosen=known is chosen,
        )
        if known is not chosen or contents is None:
            sets.append(entry)
            continue
        for name, inner in zip(_container_names(known, contents), contents.containers, strict=True):
            nbytes = sum(stored.info.nbytes for stored in contents.containers[inner].values())
            size = known.nbytes if len(contents.containers) == 1 else nbytes
            sets.append(replace(entry, name=name, format=contents.format, nbytes=size, chosen=inner == label))
    return tuple(sets)


def _broken(found: list[FoundSet], chosen: FoundSet) -> list[Finding]:
    """Report sets that go before the chosen one and cannot be used, unless their format is simply not read."""
    return [
        Finding(code="weight-set-unreadable", subject=known.name, message=known.fault.message)
        for known in found
        if known is not chosen and known.fault is not None and not known.is_unsupported
    ]


def _part_of_shards(place: Path, chosen: FoundSet) -> list[Finding]:
    match = SHARD.match(place.name) if chosen.trusted else None
    if match is None or int(match["total"]) < 2:
        return []
    return [
        Finding(
            code="single-shard",
            subject=place.name,
            message=f"this is shard {int(match['at'])} of {int(match['total'])}; the others were not looked at",
        )
    ]


def _compare(found: list[FoundSet], chosen: FoundSet, tensors: Mapping[str, StoredTensor]) -> list[Finding]:
    """Report sets beside the chosen one that do not hold the same weights; sub-folders and adapters need not."""
    if chosen.is_apart:
        return []
    others = [known for known in found if known is not chosen and known.fault is None and not known.is_apart]
    findings: list[Finding] = []
    for known in others[:_MOST_COMPARED]:
        try:
            contents = read_set(known)
        except CheckpointError as error:
            findings.append(Finding(code="weight-set-unreadable", subject=known.name, message=error.message))
            continue
        theirs = next(iter(contents.containers.values()))
        renamed = "consolidated" in (known.name, chosen.name) and not tensors.keys() & theirs.keys()
        difference = None if renamed else disagreement(tensors, theirs)
        for source in contents.sources:
            source.close()
        if difference is not None:
            findings.append(
                Finding(
                    code="weight-sets-disagree",
                    subject=known.name,
                    message=f"{quoted(known.name)} does not hold the weights of {quoted(chosen.name)}: {difference}",
                )
            )
    if len(others) > _MOST_COMPARED:
        findings.append(
            Finding(
                code="weight-sets-unchecked",
                subject=others[_MOST_COMPARED].name,
                message=f"{len(others) - _MOST_COMPARED} of {len(others)} other sets of weights were not compared",
            )
        )
    return findings
