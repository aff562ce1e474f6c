"""What is odd about the sets of weights beside the chosen one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fingerprints.checkpoint import Finding
from fingerprints.errors import CheckpointError
from fingerprints.readers.cross_check import disagreement
from fingerprints.readers.found_set import FoundSet
from fingerprints.readers.quoting import quoted
from fingerprints.readers.row_tensor import RowTensor
from fingerprints.readers.set_contents import read_set
from fingerprints.readers.sharded_sets import SHARD

_MOST_COMPARED: Final = 4
"""Other sets that the chosen one is compared with."""
_OTHERWISE_NAMED: Final = frozenset({"flax", "gguf", "hdf5", "keras", "onnx"})
"""Formats of frameworks that name and turn matrices in their own way, which names do not show to be the same."""


def set_findings(
    place: Path, found: list[FoundSet], chosen: FoundSet, tensors: Mapping[str, RowTensor]
) -> list[Finding]:
    """Report sets that cannot be used, a shard that was opened alone, and sets that hold other weights."""
    return [*_broken(found, chosen), *_part_of_shards(place, chosen), *_compare(found, chosen, tensors)]


def _broken(found: list[FoundSet], chosen: FoundSet) -> list[Finding]:
    """Report sets that cannot be used, unless their format is simply not read."""
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


def _compare(found: list[FoundSet], chosen: FoundSet, tensors: Mapping[str, RowTensor]) -> list[Finding]:
    """Report sets beside the chosen one that do not hold the same weights; sub-folders and adapters need not."""
    if chosen.is_apart or chosen.format in _OTHERWISE_NAMED:
        return []
    others = [
        known
        for known in found
        if known is not chosen and known.fault is None and not known.is_apart and known.format not in _OTHERWISE_NAMED
    ]
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
