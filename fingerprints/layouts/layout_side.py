"""One side of a comparison as a layout sees it, and what a layout would do to it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

from fingerprints.anatomy import Anatomy, Part, PartKind, Tower, build_anatomy
from fingerprints.checkpoint import Checkpoint
from fingerprints.layouts.relaid_checkpoint import RelaidCheckpoint
from fingerprints.layouts.views import View

_EXPERT = re.compile(r"\.experts\.(?:mlp\.)?\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaying:
    """What a layout does to one side: `replaced` tensors are seen as `views`; `searched` if weights chose how.

    `final` where it must not be done to the same side again: nothing about the views tells that it was done.
    """

    replaced: tuple[str, ...] = ()
    views: tuple[View, ...] = ()
    searched: bool = False
    detail: str = ""
    final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Tensors that one layout replaces together: all or none of them, as names allow."""

    replaced: tuple[str, ...]
    views: tuple[View, ...]


@dataclass(frozen=True, kw_only=True)
class LayoutSide:
    """A checkpoint and, when asked, its anatomy. `label` is `a` or `b`; `seed` moves what a search reads."""

    label: str
    checkpoint: Checkpoint
    seed: int = 0

    @cached_property
    def anatomy(self) -> Anatomy:
        """From names and shapes alone; without single experts, which may be tens of thousands and tell nothing more."""
        single = {name for name in self.checkpoint.tensors if _EXPERT.search(name)}
        return build_anatomy(RelaidCheckpoint(self.checkpoint, single, {}) if single else self.checkpoint)

    def in_tower(self, path: str, role: str, kind: PartKind = PartKind.MATRIX) -> dict[int, Part]:
        """The parts of one role in a stack of layers, by layer; experts are left out."""
        return {
            part.layer: part
            for part in self._placed
            if part.tower == path
            and part.role == role
            and part.kind is kind
            and part.layer is not None
            and part.expert is None
        }

    @cached_property
    def _placed(self) -> tuple[Part, ...]:
        return tuple(part for part in self.anatomy.parts.values() if part.role is not None)

    def counterpart(self, tower: Tower) -> Tower | None:
        """The stack of layers here that another side's stack stands for: of the same path, or else the only one."""
        towers = self.anatomy.towers
        if tower.path in towers:
            return towers[tower.path]
        return next(iter(towers.values())) if len(towers) == 1 else None


@dataclass(slots=True)
class Collected:
    """Fits that do not get in each other's way."""

    side: LayoutSide
    fits: list[Fit] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)

    def add(self, fit: Fit) -> bool:
        """Take it, unless a name that it makes is there already."""
        names = [view.info.name for view in fit.views]
        present = self.side.checkpoint.tensors.keys() - set(fit.replaced)
        if len(set(names)) < len(names) or any(name in present or name in self.taken for name in names):
            return False
        self.taken.update(names)
        self.fits.append(fit)
        return True

    def relaying(self, *, searched: bool = False, detail: str = "", final: bool = False) -> Relaying:
        """All of them together."""
        return Relaying(
            replaced=tuple(name for fit in self.fits for name in fit.replaced),
            views=tuple(view for fit in self.fits for view in fit.views),
            searched=searched and bool(self.fits),
            detail=detail if self.fits else "",
            final=final,
        )


def stem(ending: str) -> str:
    """`mlp.gate_proj.weight` without the leaf, with the final dot."""
    return ending.rpartition(".")[0] + "."


def after_layer(part: Part) -> str:
    """A layered part's name without its stack and layer: `self_attn.q_proj.weight`."""
    return part.name.removeprefix(part.tower + "." if part.tower else "").partition(".")[2]
