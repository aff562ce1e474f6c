"""A model beside its supposed parents: which tensors all of them have, and what is left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from fingerprints.anatomy import Part
from fingerprints.assignment import assign
from fingerprints.checkpoint import Checkpoint
from fingerprints.errors import UsageError
from fingerprints.layouts import harmonised
from fingerprints.pairing import pair_parts
from fingerprints.templates import SLOT
from provenance.magnitudes import counted
from provenance.observation import Side
from provenance.side import look_at
from provenance.thresholds import thresholds

MOST_ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One tensor of the model and its counterparts: those of the fitting parents, then the base's if there is one.

    `rows` is the number of leading rows that all have.
    """

    part: Part
    others: tuple[Part, ...]
    rows: int

    @property
    def layer(self) -> int | None:
        """Its place in a stack of layers."""
        return layer_of(self.part)

    @property
    def module(self) -> str:
        """What it belongs to, without the number of the layer: `self_attn.q_proj`, `model.embed_tokens`."""
        inner = self.part.template.partition(f"{SLOT}.")[2] or self.part.template
        return inner.rpartition(".")[0] or inner

    @property
    def block(self) -> str:
        """The part of a layer that it belongs to (`self_attn`); outside of layers its module."""
        return self.module if self.layer is None else self.module.partition(".")[0]

    @property
    def role(self) -> str:
        """Its canonical role, or its module where that is not known."""
        return self.part.role or self.module


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineup:
    """The model, its parents (and the base, last), seen in one layout.

    Attributes
    ----------
    model, others : Checkpoint
        Views where layouts differ.
    side : Side
        The model's anatomy and inventory.
    sides : tuple of Side
        Those of the others.
    standings : tuple of Standing
        Learned tensors that the model and all fitting others have.
    fitting : tuple of bool
        For each other whether it has counterparts for at least half of the model's learned parameters.
    notes : tuple of str
        What was left out or cut, in words.
    """

    model: Checkpoint
    others: tuple[Checkpoint, ...]
    side: Side
    sides: tuple[Side, ...]
    standings: tuple[Standing, ...]
    fitting: tuple[bool, ...]
    notes: tuple[str, ...]

    @property
    def covered(self) -> float:
        """Share of the model's learned parameters in the tensors that are looked at."""
        held = sum(standing.part.info.size for standing in self.standings)
        return held / max(self.side.inventory.parameters, 1)

    @property
    def whole_depth(self) -> bool:
        """Whether all of the model's learned tensors are looked at, or only vocabularies differ."""
        return len(self.standings) == len(self.side.inventory.learned)


def layer_of(part: Part) -> int | None:
    """The layer of a part; the first number of its name where the role is not known."""
    if part.layer is not None:
        return part.layer
    return part.index[0] if part.index else None


def line_up(model: Checkpoint, others: Sequence[Checkpoint], labels: Sequence[str], *, seed: int = 0) -> Lineup:
    """Find the counterparts of a model's tensors in each of the others.

    Parameters
    ----------
    model : Checkpoint
    others : sequence of Checkpoint
        The parents, then the base if there is one.
    labels : sequence of str
        What to call them in notes.
    seed : int
        Moves the positions that searches read.

    Raises
    ------
    UsageError
        When no parent fits the model.
    """
    sides = list(others)
    for _ in range(MOST_ROUNDS):
        before = model
        for place, other in enumerate(sides):
            model, sides[place], _ = harmonised(model, other, seed=seed)
        if model is before:
            break
    side = look_at(model)
    seen = tuple(look_at(other) for other in sides)
    counterparts = [_counterparts(side, one, model, other, seed=seed) for one, other in zip(seen, sides, strict=True)]
    learned = side.inventory.learned
    shares = [
        sum(size for name, size in learned.items() if name in found and _rows(side.anatomy.parts[name], (found[name],)))
        / max(side.inventory.parameters, 1)
        for found in counterparts
    ]
    fitting = tuple(share >= thresholds().merge_fitting_share for share in shares)
    if not any(fitting):
        raise UsageError(
            "no parent has counterparts of the same shape for half of the model's learned parameters",
            hint="inspect shows names and shapes; parents of a merge have the model's architecture",
        )
    standings: list[Standing] = []
    left: dict[str, list[str]] = defaultdict(list)
    cut: list[str] = []
    for name in learned:
        part = side.anatomy.parts[name]
        held = [found.get(name) for found, fits in zip(counterparts, fitting, strict=True) if fits]
        lacking = next(
            (
                label
                for found, fits, label in zip(counterparts, fitting, labels, strict=True)
                if fits and name not in found
            ),
            None,
        )
        if lacking is not None:
            left[f"{lacking} has no counterpart"].append(name)
            continue
        present = tuple(each for each in held if each is not None)
        rows = _rows(part, present)
        if not rows:
            left["shapes differ in more than the number of tokens"].append(name)
            continue
        if rows < max(each.shape[0] for each in (part, *present) if each.shape):
            cut.append(f"{name}: vocabularies differ in size; the {rows} leading rows that all have were compared")
        standings.append(Standing(part=part, others=present, rows=rows))
    notes = [
        f"{label} was set aside: its tensors do not fit"
        for label, fits in zip(labels, fitting, strict=True)
        if not fits
    ]
    notes += cut
    notes += [f"{counted(names)} left out: {reason}" for reason, names in sorted(left.items())]
    if side.inventory.unreadable:
        notes.append(f"{counted(list(side.inventory.unreadable))} left out: cannot be read")
    return Lineup(
        model=model,
        others=tuple(sides),
        side=side,
        sides=seen,
        standings=tuple(standings),
        fitting=fitting,
        notes=tuple(notes),
    )


def _counterparts(side: Side, other: Side, model: Checkpoint, checkpoint: Checkpoint, *, seed: int) -> dict[str, Part]:
    pairing = assign(pair_parts(side.anatomy, other.anatomy), model, checkpoint, seed=seed).pairing
    unreadable = other.inventory.unreadable
    return {pair.a.name: pair.b for pair in pairing.pairs if pair.b.name not in unreadable}


def _rows(part: Part, others: Sequence[Part]) -> int:
    """Leading rows that can be compared: all, or those of the smallest vocabulary; 0 where shapes do not fit."""
    shapes = [each.shape for each in (part, *others)]
    if any(shape[1:] != part.shape[1:] or len(shape) != len(part.shape) for shape in shapes):
        return 0
    if not part.shape:
        return 1
    lengths = {shape[0] for shape in shapes}
    if len(lengths) > 1 and not any(each.axes[:1] == ("vocabulary",) for each in (part, *others)):
        return 0
    return min(lengths)
