"""What a result says about tensors that the two sides store in different layouts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fingerprints.anatomy import under
from fingerprints.checkpoint import Checkpoint
from fingerprints.layouts import LayoutNote
from provenance.result import Architecture, ArchitectureRelation, LayoutEntry, ModelSummary


def layout_entries(notes: Sequence[LayoutNote]) -> tuple[LayoutEntry, ...]:
    """Notes as results have them."""
    return tuple(
        LayoutEntry(
            side=note.side or None, layout=note.layout, tensors=note.tensors, views=note.views, detail=note.detail
        )
        for note in notes
    )


def with_layouts(architecture: Architecture, notes: Sequence[LayoutNote]) -> Architecture:
    """The architecture with its layouts; sides that store the same parts differently do not have the same names."""
    undone = {side: {note.layout for note in notes if note.side == side} for side in ("a", "b")}
    relation = architecture.relation
    if relation is ArchitectureRelation.IDENTICAL and undone["a"] != undone["b"]:
        relation = ArchitectureRelation.RENAMED
    return replace(architecture, relation=relation, layouts=layout_entries(notes))


def with_stored_count(summary: ModelSummary, stored: Checkpoint, subtree: str | None) -> ModelSummary:
    """The summary with the number of tensors as they are stored."""
    return replace(summary, tensors=sum(under(name, subtree or "") for name in stored.tensors))
