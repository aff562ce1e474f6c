"""Undoing what keeps the function: residual stream, heads, neurons and tokens brought back to where A has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from fingerprints.alignment.alignment import Alignment, align
from fingerprints.alignment.axis_map import AxisMap, Floats32
from fingerprints.alignment.basis import Basis, find_basis
from fingerprints.alignment.folding import NORM_BEFORE, WRITERS
from fingerprints.alignment.heads import FUSED, ROLES, Turn, Turned, find_turns, head_sizes
from fingerprints.alignment.rebased import Rebased
from fingerprints.alignment.selected import Selected
from fingerprints.alignment.stacks import facing_stacks
from fingerprints.alignment.tower_search import AlignmentSettings
from fingerprints.anatomy import Anatomy, Part, PartKind
from fingerprints.checkpoint import Checkpoint
from fingerprints.layouts.relaid_checkpoint import RelaidCheckpoint
from fingerprints.layouts.views import seen_as
from fingerprints.pairing import Pair, Pairing

EXPLAINED = 0.5
"""Share of each matrix that turned heads must explain to be believed; strangers reach the length of a head over the
width of the residual stream."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Undone:
    """An alignment after disguises were undone. `bases` by A's tower; `turns` by layers and role."""

    alignment: Alignment
    bases: Mapping[str, Basis]
    turns: Mapping[tuple[str, int, int], Mapping[str, Turn]]


def undo(
    anatomies: tuple[Anatomy, Anatomy],
    checkpoints: tuple[Checkpoint, Checkpoint],
    pairing: Pairing,
    settings: AlignmentSettings,
    *,
    thorough: bool,
    guesses: Mapping[str, Floats32] | None = None,
) -> Undone | None:
    """Look for a basis of each tower's residual stream, and align in it; then turn heads back.

    Parameters
    ----------
    anatomies, checkpoints : pair
        A's and B's, fused matrices taken apart.
    pairing : Pairing
        From names, roles and shapes.
    settings : AlignmentSettings
        As for `align`.
    thorough : bool
        See `find_basis`.
    guesses : mapping, optional
        Bases that weights suggested already, by A's tower, for `find_basis` to try first.

    Returns
    -------
    Undone or None
        None where no layer of any tower has a counterpart afterwards.
    """
    guesses = guesses or {}
    bases: dict[str, Basis] = {}
    for stacks in facing_stacks(*anatomies, pairing):
        widths = anatomies[0].towers[stacks.a.path].residual, anatomies[1].towers[stacks.b.path].residual
        if widths[0] == widths[1]:
            guess = guesses.get(stacks.a.path)
            found = find_basis(stacks, anatomies, checkpoints, thorough=thorough, guess=guess)
            if found is not None:
                bases[stacks.a.path] = found
    known = {
        path: AxisMap(
            a=np.arange(len(basis.columns), dtype=np.int64),
            b=basis.columns,
            units_a=len(basis.columns),
            units_b=len(basis.columns),
            effect=basis.share,
        )
        for path, basis in bases.items()
        if basis.columns is not None
    }
    turned = {path: basis for path, basis in bases.items() if basis.columns is None}
    changed = {path: basis for path, basis in bases.items() if path in turned or _flips(basis)}
    if changed:
        anatomies, checkpoints, pairing = rebased(anatomies, checkpoints, pairing, changed)
    found_alignment = align(
        anatomies,
        checkpoints,
        pairing,
        replace(settings, everywhere=True, residual=known, rebased=frozenset(turned)),
    )
    if found_alignment is None:
        return None
    aligned, turns = _with_heads(found_alignment)
    return Undone(alignment=aligned, bases=bases, turns=turns)


def _flips(basis: Basis) -> bool:
    """Whether signs are turned: searches look at dimensions as they are, so that views have to turn them back."""
    return basis.signs is not None and bool((basis.signs < 0).any())


def rebased(
    anatomies: tuple[Anatomy, Anatomy],
    checkpoints: tuple[Checkpoint, Checkpoint],
    pairing: Pairing,
    bases: Mapping[str, Basis],
) -> tuple[tuple[Anatomy, Anatomy], tuple[Checkpoint, Checkpoint], Pairing]:
    """Both sides folded, B's residual streams turned to A's; vectors on a turned stream are left out.

    Where B's is a permutation with signs, its signs are turned, and nothing else.
    """
    towers = {pair.a.tower: pair.b.tower for pair in pairing.pairs if pair.a.tower in bases}
    shown: list[Anatomy] = []
    views: list[Checkpoint] = []
    for place, (anatomy, checkpoint) in enumerate(zip(anatomies, checkpoints, strict=True)):
        by_tower = {(path if place == 0 else towers[path]): basis for path, basis in bases.items() if path in towers}
        parts: dict[str, Part] = {}
        made: dict[str, Rebased | Selected] = {}
        for name, part in anatomy.parts.items():
            basis = by_tower.get(part.tower) if part.role is not None else None
            if basis is None or "residual" not in part.axes:
                parts[name] = part
            elif basis.columns is not None:
                parts[name] = part
                if place == 1 and part.kind is not PartKind.GAIN:
                    made[name] = _flipped(part, basis)
                    parts[name] = replace(part, info=made[name].info)
            elif len(part.shape) == 2 and part.axes.count("residual") == 1:
                made[name] = _view(part, basis, place)
                parts[name] = replace(part, info=made[name].info)
        views.append(RelaidCheckpoint(checkpoint, set(made), made))
        shown.append(replace(anatomy, parts=parts))
    pairs = tuple(
        replace(pair, a=shown[0].parts[pair.a.name], b=shown[1].parts[pair.b.name])
        for pair in pairing.pairs
        if pair.a.name in shown[0].parts and pair.b.name in shown[1].parts
    )
    return (shown[0], shown[1]), (views[0], views[1]), replace(pairing, pairs=pairs)


def _flipped(part: Part, basis: Basis) -> Selected:
    """B's tensor with the signs of its residual dimensions turned, these left in place."""
    signs = np.ones(len(basis.matrix), np.float32)
    if basis.columns is not None and basis.signs is not None:
        signs[basis.columns] = basis.signs
    return Selected(
        info=seen_as(part.info, part.name, part.shape, "signs turned"),
        source=part.name,
        axes=(None,) * len(part.shape),
        signs=tuple(signs if meaning == "residual" else None for meaning in part.axes),
    )


def _view(part: Part, basis: Basis, place: int) -> Rebased:
    folding = basis.foldings[place]
    writes = part.role in WRITERS
    return Rebased(
        info=replace(seen_as(part.info, part.name, part.shape, "rebased"), dtype="F32", encoding=None),
        source=part.name,
        axis=part.axes.index("residual"),
        gain=folding.gain_of(part) if folding is not None and part.role in NORM_BEFORE else None,
        centred=bool(folding is not None and folding.centred and writes),
        matrix=basis.matrix if place == 1 else None,
        scale=1.0 / basis.scale if place == 1 and writes else 1.0,
    )


def _with_heads(found: Alignment) -> tuple[Alignment, dict[tuple[str, int, int], dict[str, Turn]]]:
    """The alignment with the heads of B turned, where they are not in place already and turning explains them."""
    by_layers: dict[tuple[str, int, int], dict[str, Pair]] = {}
    sampled = {(tower.path_a, *layers) for tower in found.towers for layers in tower.sampled}
    for pair in found.pairing.pairs:
        if (
            (pair.a.tower, pair.a.layer, pair.b.layer) in sampled
            and pair.a.role in (*ROLES, FUSED)
            and pair.a.layer is not None
            and pair.b.layer is not None
            and len(pair.a.shape) == 2
        ):
            by_layers.setdefault((pair.a.tower, pair.a.layer, pair.b.layer), {})[pair.a.role] = pair
    turns: dict[tuple[str, int, int], dict[str, Turn]] = {}
    views: dict[str, Turned] = {}
    matched: set[str] = set()
    for key, pairs in by_layers.items():
        if all("head" in pair.matched for pair in pairs.values()) or not _same_heads(pairs):
            continue
        best: tuple[dict[str, Turn], float] | None = None
        for size in head_sizes(pairs, (found.a.origin.config, found.b.origin.config)):
            tried = find_turns(pairs, found.a, found.b, size)
            if tried is not None and tried[1] >= EXPLAINED and (best is None or tried[1] > best[1]):
                best = tried
        if best is None or all(turn.is_identity for turn in best[0].values()):
            continue
        turns[key] = best[0]
        for role, turn in best[0].items():
            part = pairs[role].b
            info = replace(part.info, dtype="F32", encoding=None)
            views[part.name] = Turned(info=info, source=part.name, axis=part.axes.index("head"), turn=turn)
            matched.add(pairs[role].a.name)
    if not views:
        return found, turns
    parts = {
        name: replace(part, info=views[name].info) if name in views else part
        for name, part in found.anatomies[1].parts.items()
    }
    turned = tuple(
        replace(pair, b=parts[pair.b.name], matched=(*pair.matched, "head")) if pair.a.name in matched else pair
        for pair in found.pairing.pairs
    )
    shown = replace(
        found,
        b=RelaidCheckpoint(found.b, set(views), views),
        anatomies=(found.anatomies[0], replace(found.anatomies[1], parts=parts)),
        pairing=replace(found.pairing, pairs=turned),
    )
    return shown, turns


def _same_heads(pairs: Mapping[str, Pair]) -> bool:
    complete = pairs.keys() in ({*ROLES}, {FUSED, "attn_out"})
    return complete and all(pair.a.shape == pair.b.shape for pair in pairs.values())
