"""A model without usable names beside one whose names are known: its tensors take over what their counterparts are.

Everything here is a search by weights, blind to the order of neurons and of residual dimensions. What it joins is never
tested by what it joined it for: the residual stream counts as searched.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fingerprints.alignment.axis_map import Floats32
from fingerprints.alignment.folding import find_folding
from fingerprints.alignment.nameless_basis import Named, Nameless, Shape, guess_basis, partners
from fingerprints.alignment.nameless_vectors import match_vectors
from fingerprints.alignment.streams import Reading
from fingerprints.anatomy import Anatomy, Part, Tower
from fingerprints.checkpoint import Checkpoint
from fingerprints.pairing import Pair, PairBasis, Pairing
from fingerprints.templates import Index

LIKENESS = 0.8
"""Median likeness of first matrices from which roles are taken over; strangers reach 0.68."""
ALIKE = 0.3
"""Likeness below which two matrices are no counterparts."""
NUMBERED = 0.9
"""Share of the matches that must agree which layer is which, for numbers in names to be layers."""
HEAD = 64
NOBODY = -1
Match = tuple[Part, Part]
"""A part of the named side and its counterpart."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Adopted:
    """Both sides with known roles, `tower` being A's and B's alike; `x_b = x_a @ matrix` on its residual stream.

    `stored` are the same pairs with what their own names say.
    """

    anatomies: tuple[Anatomy, Anatomy]
    pairing: Pairing
    stored: Pairing
    tower: str
    matrix: Floats32


def adopt(anatomies: tuple[Anatomy, Anatomy], checkpoints: tuple[Checkpoint, Checkpoint]) -> Adopted | None:
    """Give the tensors of a nameless side the roles of their counterparts.

    Parameters
    ----------
    anatomies, checkpoints : pair
        A's and B's; one of them without any tower.

    Returns
    -------
    Adopted or None
        None where both sides have towers or none, and where the weights are not alike in any basis.
    """
    if bool(anatomies[0].towers) == bool(anatomies[1].towers):
        return None
    place = 0 if anatomies[0].towers else 1
    anatomy, other = anatomies[place], anatomies[1 - place]
    tower = max(anatomy.towers.values(), key=lambda each: (each.residual * len(each.layers), each.path))
    named, nameless = _sides(anatomy, other, (checkpoints[place], checkpoints[1 - place]), tower)
    guess = guess_basis(named, nameless)
    if guess is None or guess.likeness < LIKENESS:
        return None
    matches = [
        (named.streams[shape][i][0], nameless.parts[shape][j])
        for shape in named.streams
        for i, j, likeness in partners(named, nameless, shape, guess.matrix, folded=guess.folded)
        if likeness >= ALIKE
    ]
    layers = _layers(matches)
    matches = _by_template(matches, layers)
    taken = {part.name for _, part in matches}
    vectors = match_vectors(
        [part for part in anatomy.parts.values() if part.tower == tower.path and part.axes == ("residual",)],
        [part for part in other.parts.values() if part.shape == (tower.residual,) and part.name not in taken],
        (named.checkpoint, nameless.checkpoint),
        guess.matrix,
        layers,
    )
    shown = _shown(anatomy, other, tower, matches + vectors, layers)
    both = (anatomy, shown) if place == 0 else (shown, anatomy)
    pairing = _joined(both, place, tower.path, layers)
    return Adopted(
        anatomies=both,
        pairing=pairing,
        stored=_as_stored(pairing, anatomies),
        tower=tower.path,
        matrix=guess.matrix if place == 0 else guess.matrix.T.copy(),
    )


def _sides(
    anatomy: Anatomy, other: Anatomy, checkpoints: tuple[Checkpoint, Checkpoint], tower: Tower
) -> tuple[Named, Nameless]:
    """Matrices of a tower, and those of the other side that have their shapes."""
    head = _head(checkpoints[0].origin.config, tower)
    streams: dict[Shape, list[tuple[Part, Reading]]] = defaultdict(list)
    for part in anatomy.parts.values():
        if part.tower == tower.path and part.role is not None and (reading := Reading.of(part, head)):
            streams[part.shape].append((part, reading))
    parts: dict[Shape, list[Part]] = defaultdict(list)
    for part in other.parts.values():
        if part.shape in streams:
            parts[part.shape].append(part)
    named = Named(
        checkpoint=checkpoints[0],
        width=tower.residual,
        streams=streams,
        folding=find_folding(anatomy, checkpoints[0], tower.path),
    )
    return named, Nameless(checkpoint=checkpoints[1], parts=parts)


def _head(config: object, tower: Tower) -> int:
    """The length of a head, as the named side claims it."""
    claims = config if isinstance(config, dict) else {}
    heads, width = claims.get("num_attention_heads", claims.get("n_head")), claims.get("head_dim")
    if isinstance(width, int) and width > 0:
        return width
    return max(1, tower.residual // heads) if isinstance(heads, int) and heads > 0 else HEAD


Layers = dict[int, int] | None
"""The named side's layer for each number in the nameless side's names; None where numbers are no layers."""


def _layers(matches: Sequence[Match]) -> Layers:
    inside = [(part, other) for part, other in matches if part.layer is not None]
    votes: dict[int, Counter[int]] = defaultdict(Counter)
    for part, other in inside:
        if other.index and part.layer is not None:
            votes[other.index[0]][part.layer] += 1
    chosen = {number: max(counts, key=lambda n: (counts[n], -n)) for number, counts in votes.items()}
    agreeing = sum(votes[number][layer] for number, layer in chosen.items())
    if len(set(chosen.values())) < len(chosen) or agreeing < NUMBERED * max(1, len(inside)):
        return None
    return chosen


def _by_template(matches: list[Match], layers: Layers) -> list[Match]:
    """Where numbers are layers, only those matches on whose kind the tensors of one template agree."""
    if layers is None:
        return matches
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for part, other in matches:
        votes[other.template][part.template] += 1
    chosen = {template: max(counts, key=lambda t: (counts[t], t)) for template, counts in votes.items()}
    return [
        (part, other)
        for part, other in matches
        if chosen[other.template] == part.template
        and (part.layer is None or (bool(other.index) and layers[other.index[0]] == part.layer))
    ]


def _shown(anatomy: Anatomy, other: Anatomy, tower: Tower, matches: Sequence[Match], layers: Layers) -> Anatomy:
    """The nameless side's anatomy with what its counterparts are."""
    known = {part.name: _as(found, part, layers) for found, part in matches}
    if layers is not None:
        models = {part.template: found for found, part in matches if _is_of_layer(found)}
        for template, parts in other.by_template.items():
            found = models.get(template) or _only(anatomy, other, parts, models, matches)
            if found is not None:
                known |= {part.name: _as(found, part, layers) for part in parts if part.name not in known}
    numbers = sorted({part.layer for part in known.values() if part.layer is not None})
    return Anatomy(
        parts={name: known.get(name, part) for name, part in other.parts.items()},
        towers={tower.path: replace(tower, layers=tuple(numbers))},
    )


def _is_of_layer(part: Part) -> bool:
    """Whether a template has one tensor a layer."""
    return part.layer is not None and part.expert is None


def _only(
    anatomy: Anatomy, other: Anatomy, parts: Sequence[Part], models: dict[str, Part], matches: Sequence[Match]
) -> Part | None:
    """The one kind of tensor of this shape in the named side's layers, where the other side has one such kind too."""
    if not parts[0].index or parts[0].template in {part.template for _, part in matches}:
        return None
    taken = {part.template for part in models.values()} | {part.template for part, _ in matches}
    left = [
        each[0]
        for template, each in anatomy.by_template.items()
        if template not in taken and each[0].axes and _is_of_layer(each[0]) and each[0].shape == parts[0].shape
    ]
    rivals = [
        template
        for template, each in other.by_template.items()
        if each[0].index and template not in models and each[0].shape == parts[0].shape
    ]
    return left[0] if len(left) == len(rivals) == 1 else None


def _as(known: Part, part: Part, layers: Layers) -> Part:
    """A part as its counterpart is known, in the layer that its own name gives where that is one."""
    if known.layer is None or layers is None or not part.index:
        return replace(known, info=part.info)
    return replace(known, info=part.info, index=_at(known, part.index[0]), layer=part.index[0])


def _at(part: Part, layer: int | None) -> Index:
    """A part's numbers with another one for its layer."""
    if layer is None or part.layer not in part.index:
        return part.index
    place = part.index.index(part.layer)
    return (*part.index[:place], layer, *part.index[place + 1 :])


def _joined(anatomies: tuple[Anatomy, Anatomy], place: int, tower: str, layers: Layers) -> Pairing:
    """Parts of one template are counterparts, where their layers and experts are."""
    ours, theirs = (
        {
            (part.template, _at(part, layer)): part
            for part in anatomy.parts.values()
            if part.tower == tower and (layer := part.layer if known else _known(part, layers)) != NOBODY
        }
        for anatomy, known in zip(anatomies, (place == 0, place == 1), strict=True)
    )
    pairs = tuple(
        Pair(a=part, b=theirs[key], basis=PairBasis.WEIGHTS, searched=True)
        for key, part in ours.items()
        if key in theirs
    )
    return _complete(pairs, anatomies)


def _known(part: Part, layers: Layers) -> int | None:
    """The named side's layer for that of a part of the other."""
    return part.layer if layers is None or part.layer is None else layers.get(part.layer, NOBODY)


def _as_stored(pairing: Pairing, anatomies: tuple[Anatomy, Anatomy]) -> Pairing:
    pairs = (
        replace(pair, a=anatomies[0].parts[pair.a.name], b=anatomies[1].parts[pair.b.name]) for pair in pairing.pairs
    )
    return _complete(tuple(pairs), anatomies)


def _complete(pairs: tuple[Pair, ...], anatomies: tuple[Anatomy, Anatomy]) -> Pairing:
    """The pairing with everything else left over."""
    used = {pair.a.name for pair in pairs}, {pair.b.name for pair in pairs}
    left = [
        tuple(part for name, part in anatomy.parts.items() if name not in names)
        for anatomy, names in zip(anatomies, used, strict=True)
    ]
    return Pairing(pairs=pairs, only_a=left[0], only_b=left[1])
