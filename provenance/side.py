"""One side of a comparison: opened, taken apart, and summed up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from fingerprints.anatomy import build_anatomy
from fingerprints.checkpoint import Checkpoint, Finding
from fingerprints.errors import UsageError
from fingerprints.inventory import Inventory, take_inventory, unread_inventory
from fingerprints.signals.tensor_digest import content_digest, header_digest
from provenance.claims import contradicted
from provenance.magnitudes import counted
from provenance.observation import Side
from provenance.result import FindingEntry, ModelSummary


def look_at(checkpoint: Checkpoint, *, subtree: str | None = None, values: bool = True) -> Side:
    """Anatomy and inventory of a checkpoint, of one sub-tree of names if asked; without `values` no weight is read.

    Raises
    ------
    UsageError
        When no tensor lies in the sub-tree.
    """
    anatomy = build_anatomy(checkpoint, prefix=subtree or "")
    if subtree and not anatomy.parts:
        tops = sorted({name.split(".")[0] for name in checkpoint.tensors})[:8]
        raise UsageError(
            f"no tensor of {checkpoint.origin.reference!a} lies under {subtree!a}",
            hint=f"names there start with {', '.join(map(ascii, tops))}",
        )
    dtypes: Counter[str] = Counter()
    for part in anatomy.parts.values():
        dtypes[part.info.stored_as] += part.info.size
    return Side(
        origin=checkpoint.origin,
        anatomy=anatomy,
        inventory=take_inventory(anatomy, checkpoint) if values else unread_inventory(anatomy),
        dtypes=dict(sorted(dtypes.items())),
    )


def with_findings(side: Side, findings: Sequence[Finding]) -> Side:
    """The side with more findings about what it was read from."""
    return replace(side, origin=replace(side.origin, findings=(*side.origin.findings, *findings)))


def digest_of(checkpoint: Checkpoint, *, whole: bool) -> str:
    """Digest of all content, or of the headers alone."""
    return content_digest(checkpoint) if whole else header_digest(checkpoint)


def summarise_side(side: Side, digest: str) -> ModelSummary:
    """What a result says about one side."""
    anatomy, inventory, origin = side.anatomy, side.inventory, side.origin
    return ModelSummary(
        reference=origin.reference,
        revision=origin.revision,
        digest=digest,
        format=origin.format,
        variant=next((found.name for found in origin.weight_sets if found.chosen), None),
        shards=len(origin.shards),
        tensors=len(anatomy.parts),
        params=sum(part.info.size for part in anatomy.parts.values()),
        learned_params=inventory.parameters,
        dtype=max(side.dtypes, key=lambda name: (side.dtypes[name], name), default=""),
        dtypes=side.dtypes,
        layers=anatomy.layers,
        dimensions=anatomy.dimensions,
        weight_sets=tuple(found.name for found in origin.weight_sets),
        findings=(
            *(FindingEntry(code=f.code, subject=f.subject, message=f.message) for f in origin.findings),
            *contradicted(side),
            *_set_aside(inventory),
        ),
    )


def _set_aside(inventory: Inventory) -> list[FindingEntry]:
    """Tensors that count for nothing, by reason."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in inventory.set_aside.items():
        by_reason.setdefault(reason, []).append(name)
    found = [
        FindingEntry(
            code="not-learned",
            subject=counted(names),
            message=f"left out of the evidence: {reason}",
        )
        for reason, names in sorted(by_reason.items())
    ]
    found += [
        FindingEntry(code="copy", subject=name, message=f"repeats {other}; counted once")
        for name, other in inventory.copies.items()
    ][:8]
    return found
