"""What is known about one pair of models: the verdict in short, and how far apart they are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from provenance.comparison import compare
from provenance.examination import Finding
from provenance.lineage.change import Change, Values, change_of, read_changes, read_sample
from provenance.looks import Look
from provenance.options import Options
from provenance.result import Direction, Kind, Relation, rounded
from provenance.searches import Way
from provenance.trivial_changes import scaled_tensors, shifted_tensors

FULL = frozenset(
    {"fine_tune", "continued_pretraining", "quantised", "pruned_unstructured", "pruned_n_m", "noise_added"}
)
"""Kinds that leave no low rank of a change."""
SHARED = (Relation.IDENTICAL, Relation.DERIVED)
"""Relations that make an edge of a lineage: trained weights are shared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two models by name, in the order in which they were compared.

    `changes` are those of the tensors that both have, `alone` the numbers of learned values that only A and only B has.
    `rank` is that of an adapter that was merged in between, `transforms` counts the disguises that were undone, and
    `recomputed` says that values were turned or scaled for that, and rounded. `rounded` is the side ("a" or "b") that
    is quantised.
    """

    a: str
    b: str
    relation: Relation
    direction: Direction | None = None
    kinds: tuple[str, ...] = ()
    log10_p: float | None = None
    effect: float | None = None
    distance: float | None = None
    bytes_read: int = 0
    changes: tuple[Change, ...] = ()
    alone: tuple[int, int] = (0, 0)
    rank: int | None = None
    transforms: int = 0
    recomputed: bool = False
    rounded: str | None = None

    @property
    def is_shared(self) -> bool:
        """Whether one comes from the other, or both from a trained ancestor."""
        return self.relation in SHARED

    def turned(self) -> Pair:
        """The same pair, named the other way round."""
        return replace(
            self,
            a=self.b,
            b=self.a,
            direction=_TURNED.get(self.direction, self.direction) if self.direction is not None else None,
            changes=tuple(change.turned() for change in self.changes),
            alone=(self.alone[1], self.alone[0]),
            rounded=None if self.rounded is None else {"a": "b", "b": "a"}[self.rounded],
        )


_TURNED = {Direction.A_TO_B: Direction.B_TO_A, Direction.B_TO_A: Direction.A_TO_B}


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrayed:
    """A pair, and the sampled values of both sides by A's names, where names alone pair them."""

    pair: Pair
    values: tuple[Portrait, Portrait] | None


Portrait = Mapping[str, Values]
"""Sampled values of a model, by the names of the model that it was laid beside."""


def examine_pair(a: str, b: str, options: Options) -> Pair:
    """Compare two models, and measure what lies between them when they share trained weights.

    Raises
    ------
    CheckpointError
        When a side cannot be used.
    """
    return _examined(a, b, options, portrayed=False).pair


def examine_with_portraits(a: str, b: str, options: Options) -> Portrayed:
    """`examine_pair`, and both portraits."""
    return _examined(a, b, options, portrayed=True)


def _examined(a: str, b: str, options: Options, *, portrayed: bool) -> Portrayed:
    seen: list[_Seen] = []
    result = compare(a, b, options, look_on=lambda found: seen.extend(_seen(found, portrayed=portrayed)))
    verdict = result.verdict
    pair = Pair(
        a=a,
        b=b,
        relation=verdict.relation,
        direction=verdict.direction,
        kinds=tuple(kind.kind for kind in verdict.kinds),
        log10_p=verdict.log10_p,
        effect=verdict.effect,
        bytes_read=result.run.bytes_read,
    )
    if verdict.relation not in SHARED:
        return Portrayed(pair=pair, values=None)
    if not seen:
        return Portrayed(pair=replace(pair, distance=0.0), values=None)
    (found,) = seen
    pair = replace(
        pair,
        distance=_distance(found.changes),
        changes=found.changes,
        alone=found.alone,
        rank=_rank(verdict.kinds),
        recomputed=found.recomputed,
        rounded=next((kind.parameters["side"] for kind in verdict.kinds if kind.kind == "quantised"), None),
        transforms=sum(len(kind.parameters["transform"]) for kind in verdict.kinds if kind.kind == "disguised"),
    )
    return Portrayed(pair=pair, values=found.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    changes: tuple[Change, ...]
    alone: tuple[int, int]
    recomputed: bool
    values: tuple[Portrait, Portrait] | None


def _seen(found: Finding, *, portrayed: bool) -> Iterator[_Seen]:
    """What the look that decided shows, where the two are related; portraits, which read every tensor, if asked."""
    if found.judgement.ruling.relation not in SHARED:
        return
    look, observed = found.look, found.observed
    pairs = [pair for pair in look.pairing.pairs if pair.a.shape == pair.b.shape and not pair.ambiguous]
    scaled, shifted = scaled_tensors(observed), shifted_tensors(observed)
    changes = read_changes(look.a, look.b, pairs, scaled=scaled, shifted=shifted)
    if look.alignment is not None:
        strange = _strange({pair.a.name: (pair.a.layer, pair.b.layer) for pair in pairs}, changes)
        pairs = [pair for pair in pairs if (pair.a.layer, pair.b.layer) not in strange]
        kept = {pair.a.name for pair in pairs}
        changes = tuple(change for change in changes if change.a in kept)
    shown = sum(math.prod(pair.a.shape) for pair in pairs)
    yield _Seen(
        changes=changes,
        alone=(
            max(0, observed.a.inventory.parameters - shown),
            max(0, observed.b.inventory.parameters - shown),
        ),
        recomputed=bool(observed.undone is not None or scaled or shifted)
        or any(units.factors for tower in (look.alignment.towers if look.alignment else ()) for units in tower.units),
        values=_portraits(look) if portrayed and look.way is Way.NAMES else None,
    )


def _strange(
    layers: Mapping[str, tuple[int | None, int | None]], changes: Sequence[Change]
) -> set[tuple[int | None, int | None]]:
    """Pairs of layers that a search had to join though they have nothing in common: their matrices are at right
    angles.
    """
    looked_at: dict[tuple[int | None, int | None], list[bool]] = {}
    for change in changes:
        if len(change.shape) > 1 and layers[change.a][0] is not None:
            looked_at.setdefault(layers[change.a], []).append(change.squared > change.level)
    return {layer for layer, apart in looked_at.items() if 2 * sum(apart) > len(apart)}


def _portraits(look: Look) -> tuple[Portrait, Portrait]:
    """Both sides by A's names, without tables of which the two do not have the same rows."""
    tokens = look.vocabulary
    whole = tokens is None or np.array_equal(tokens.rows.a, np.arange(tokens.rows.units_a))
    cut = set() if tokens is None or whole else {pair.a.name for pair in tokens.tables.pairs}
    found: tuple[dict[str, Values], dict[str, Values]] = ({}, {})
    for pair in look.pairing.pairs:
        if pair.a.shape == pair.b.shape and not pair.ambiguous and pair.a.name not in cut:
            x, y = read_sample(look.a, pair.a.name), read_sample(look.b, pair.b.name)
            if x is not None and y is not None and x.shape == y.shape:
                found[0][pair.a.name], found[1][pair.a.name] = x, y
    return found


def portrayed_pair(a: str, b: str, portraits: tuple[Portrait, Portrait], sizes: Mapping[str, tuple[int, ...]]) -> Pair:
    """Two models that names pair with one and the same third, by their portraits.

    Parameters
    ----------
    a, b : str
        The models.
    portraits : pair of mapping
        Theirs.
    sizes : mapping
        Shapes of the third's tensors, by name.
    """
    both = [name for name in portraits[0] if name in portraits[1]]
    changes = tuple(
        change
        for name in both
        if portraits[0][name].shape == portraits[1][name].shape
        if (change := change_of(name, name, sizes[name], portraits[0][name], portraits[1][name])) is not None
    )
    left = [sum(math.prod(sizes[name]) for name in each if name not in both) for each in portraits]
    return Pair(
        a=a,
        b=b,
        relation=Relation.DERIVED,
        distance=_distance(changes),
        changes=changes,
        alone=(left[0], left[1]),
    )


def _distance(changes: tuple[Change, ...]) -> float | None:
    """Squared relative distance over all matrices: 2 for weights at right angles."""
    matrices = [change for change in changes if len(change.shape) > 1] or changes
    level = sum(change.size * change.level for change in matrices)
    return rounded(sum(change.size * change.squared for change in matrices) / level) if level > 0.0 else None


def _rank(kinds: tuple[Kind, ...]) -> int | None:
    """The rank of a merged adapter, or of an abliteration, where that is all that changed values."""
    names = {kind.kind for kind in kinds if not kind.packaging}
    if names & FULL:
        return None
    if "abliterated" in names:
        return 1
    return next((int(kind.parameters["rank"]) for kind in kinds if kind.kind == "adapter_merge"), None)
