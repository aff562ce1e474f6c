"""The same layout on both sides: what is taken apart or turned before two checkpoints are compared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from fingerprints.checkpoint import Checkpoint
from fingerprints.layouts.channels_last import ChannelsLast
from fingerprints.layouts.fused_gate_up import FusedGateUp
from fingerprints.layouts.fused_kv import FusedKv
from fingerprints.layouts.fused_qkv import FusedQkv
from fingerprints.layouts.layout_side import LayoutSide, Relaying
from fingerprints.layouts.neighbouring_experts import NeighbouringExperts
from fingerprints.layouts.raised_gains import RaisedGains
from fingerprints.layouts.recurrent import Recurrent
from fingerprints.layouts.relaid_checkpoint import RelaidCheckpoint
from fingerprints.layouts.stacked_experts import StackedExperts
from fingerprints.layouts.turned import TurnedMatrices
from fingerprints.layouts.weight_norm import WeightNorm


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutNote:
    """What was done to one side: `tensors` stored tensors were seen as `views` others.

    `searched` says that weights chose how; tests must then use the half of the units that the search did not see.
    """

    side: str
    layout: str
    tensors: int
    views: int
    detail: str = ""
    searched: bool = False


class Layout(Protocol):
    """A way to store the same weights."""

    @property
    def name(self) -> str:
        """What notes call it."""
        ...

    def find(self, side: LayoutSide, other: LayoutSide | None) -> Relaying:
        """What to do to `side` so that it is laid out as `other`; without `other`, all that has this layout."""
        ...


LAYOUTS: tuple[Layout, ...] = (
    StackedExperts(),
    NeighbouringExperts(),
    WeightNorm(),
    Recurrent(),
    TurnedMatrices(),
    ChannelsLast(),
    FusedGateUp(),
    FusedQkv(),
    FusedKv(),
    RaisedGains(),
)
"""Every layout, in the order in which they are undone: a fused matrix must be turned before it is taken apart."""
MOST_ROUNDS = 4
"""Of one layout; what one side's change calls for on the other takes a second: leaves, then roles, then names."""


def harmonised(a: Checkpoint, b: Checkpoint, *, seed: int = 0) -> tuple[Checkpoint, Checkpoint, tuple[LayoutNote, ...]]:
    """Both checkpoints in one layout, as far as names, shapes and, where these leave a choice, weights tell.

    Parameters
    ----------
    a, b : Checkpoint
        The two sides; where nothing is to be done, the same objects are returned.
    seed : int
        Moves the positions that a search reads.

    Returns
    -------
    a, b : Checkpoint
        Views where something was done.
    notes : tuple of LayoutNote
        What was done, in the order of the layouts. Swapping the arguments swaps the sides of the notes: each layout
        looks at both sides as they are before it changes either, and again after that, until nothing is left to do.
    """
    notes: list[LayoutNote] = []
    sides = {label: LayoutSide(label=label, checkpoint=side, seed=seed) for label, side in (("a", a), ("b", b))}
    for layout in LAYOUTS:
        for _ in range(MOST_ROUNDS):
            found = {label: layout.find(sides[label], sides[facing]) for label, facing in (("a", "b"), ("b", "a"))}
            changes = {label: relaying for label, relaying in found.items() if relaying.views}
            for label, relaying in changes.items():
                notes.append(_note(label, layout, relaying))
                sides[label] = replace(sides[label], checkpoint=_relaid(sides[label].checkpoint, relaying))
            if not changes or any(relaying.final for relaying in changes.values()):
                break
    return sides["a"].checkpoint, sides["b"].checkpoint, tuple(notes)


def layouts_in(checkpoint: Checkpoint) -> tuple[LayoutNote, ...]:
    """The layouts that one checkpoint has, by names and shapes: what a comparison may undo. Their side is empty."""
    notes: list[LayoutNote] = []
    side = LayoutSide(label="", checkpoint=checkpoint)
    for layout in LAYOUTS:
        if (relaying := layout.find(side, None)).views:
            notes.append(_note("", layout, relaying))
            side = replace(side, checkpoint=_relaid(side.checkpoint, relaying))
    return tuple(notes)


def _note(label: str, layout: Layout, relaying: Relaying) -> LayoutNote:
    return LayoutNote(
        side=label,
        layout=layout.name,
        tensors=len(relaying.replaced),
        views=len(relaying.views),
        detail=relaying.detail,
        searched=relaying.searched,
    )


def _relaid(inner: Checkpoint, relaying: Relaying) -> Checkpoint:
    return RelaidCheckpoint(inner, set(relaying.replaced), {view.info.name: view for view in relaying.views})
