"""Which tensor of B stands where a tensor of A stands, from names, roles and shapes.

Six steps, each only for what the earlier ones left: prefixes given by the user · equal names · equal names but for the
numbers of the layers · name prefixes that replace one another · equal roles · equal shapes. The result says what every
renamed pair rests on. Shapes alone may leave a choice (which of two gains is `ln1`?); such pairs are marked as
ambiguous, for the weights to decide (`fingerprints.assignment`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from fingerprints.anatomy import Anatomy, Part, under
from fingerprints.errors import UsageError
from fingerprints.numbering import Numbering, numberings
from fingerprints.prefixes import MOST_PREFIXES, best_prefix
from fingerprints.templates import Index, natural_key


class PairBasis(StrEnum):
    """Why two tensors are taken for counterparts."""

    NAME = "name"
    USER = "user"
    NUMBER = "number"
    PREFIX = "prefix"
    ROLE = "role"
    SHAPE = "shape"
    WEIGHTS = "weights"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A tensor of A and its counterpart in B.

    `searched` tells that weights preferred it to what names and shapes say; `matched` names the axes whose units a
    search has matched.
    """

    a: Part
    b: Part
    basis: PairBasis
    ambiguous: bool = False
    searched: bool = False
    matched: tuple[str, ...] = ()

    @property
    def renamed(self) -> bool:
        """Whether the names differ."""
        return self.a.name != self.b.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """Pairs in A's order, left-over tensors that weights paired after them, and what is left on either side."""

    pairs: tuple[Pair, ...]
    only_a: tuple[Part, ...]
    only_b: tuple[Part, ...]

    @property
    def searched(self) -> bool:
        """Whether weights changed the choice of pairs; tests then use the half that the search did not see."""
        return any(pair.searched for pair in self.pairs)


@dataclass(slots=True)
class _Open:
    """What is still to be paired."""

    a: dict[str, Part]
    b: dict[str, Part]
    numbers_a: Numbering
    numbers_b: Numbering
    pairs: list[Pair] = field(default_factory=list)

    def join(self, a: Part, b: Part, basis: PairBasis, *, ambiguous: bool = False) -> None:
        self.pairs.append(Pair(a=a, b=b, basis=basis, ambiguous=ambiguous))
        del self.a[a.name]
        del self.b[b.name]

    def by_place(self) -> dict[tuple[str, Index], Part]:
        """What is left of B, by template and numbers."""
        return {(part.template, self.numbers_b.index(part)): part for part in self.b.values()}

    def templates(self) -> tuple[dict[str, list[Part]], dict[str, list[Part]]]:
        return _grouped(self.a.values()), _grouped(self.b.values())


def compatible(a: Part, b: Part) -> bool:
    """Whether two parts can be counterparts of different size: equal rank, both or neither a bias."""
    return len(a.shape) == len(b.shape) and (a.kind == "bias") == (b.kind == "bias")


def pair_parts(a: Anatomy, b: Anatomy, *, renames: Mapping[str, str] | None = None) -> Pairing:
    """Pair the parts of two anatomies without looking at values.

    Parameters
    ----------
    a, b : Anatomy
        The two sides.
    renames : mapping, optional
        Name prefixes of A and what they are called in B, as a user gave them.

    Raises
    ------
    UsageError
        When a rename of the user's pairs nothing.
    """
    numbers_a, numbers_b = numberings(a, b)
    left = _Open(a=dict(a.parts), b=dict(b.parts), numbers_a=numbers_a, numbers_b=numbers_b)
    _by_user(left, renames or {})
    _by_name(left)
    _by_replacement(left, "", "", PairBasis.NUMBER)
    _by_prefix(left)
    _by_role(left)
    _by_shape(left, a, b)
    order = {name: place for place, name in enumerate(a.parts)}
    return Pairing(
        pairs=tuple(sorted(left.pairs, key=lambda pair: order[pair.a.name])),
        only_a=tuple(left.a.values()),
        only_b=tuple(left.b.values()),
    )


def _grouped(parts: Iterable[Part]) -> dict[str, list[Part]]:
    grouped: dict[str, list[Part]] = defaultdict(list)
    for part in parts:
        grouped[part.template].append(part)
    return dict(sorted(grouped.items()))


def _by_user(left: _Open, renames: Mapping[str, str]) -> None:
    for path, becomes in sorted(renames.items(), key=lambda item: -len(item[0])):
        old, new = path.rstrip("."), becomes.rstrip(".")
        before = len(left.pairs)
        for name in [name for name in left.a if under(name, old)]:
            rest = name[len(old) :].lstrip(".")
            other = ".".join(filter(None, (new, rest)))
            if other in left.b and compatible(left.a[name], left.b[other]):
                left.join(left.a[name], left.b[other], PairBasis.USER)
        if len(left.pairs) == before:
            raise UsageError(
                f"no tensor under {old!a} of A is called {new!a} in B, with an equal rank",
                hint="the left side is a path in the names of A, the right side what it is in B; inspect shows both",
            )


def _by_name(left: _Open) -> None:
    """Pair equal names, unless they number the layers of equally deep stacks otherwise."""
    for name in [name for name in left.a if name in left.b]:
        a, b = left.a[name], left.b[name]
        numbered_alike = a.template != b.template or left.numbers_a.index(a) == left.numbers_b.index(b)
        if numbered_alike and compatible(a, b):
            left.join(a, b, PairBasis.NAME)


def _by_replacement(left: _Open, old: str, new: str, basis: PairBasis) -> bool:
    """Pair parts whose templates differ by a prefix alone; whether there were any."""
    at = left.by_place()
    before = len(left.a)
    for part in list(left.a.values()):
        if not part.template.startswith(old):
            continue
        other = at.get((new + part.template[len(old) :], left.numbers_a.index(part)))
        if other is not None and other.name in left.b and compatible(part, other):
            left.join(part, other, basis if part.index == other.index else PairBasis.NUMBER)
    return len(left.a) < before


def _by_prefix(left: _Open) -> None:
    """Repeatedly take the replacement of one name prefix by another that pairs most tensors, until several do."""
    for _ in range(MOST_PREFIXES):
        ours, theirs = left.templates()
        replacement = best_prefix(_placed(ours, left.numbers_a), _placed(theirs, left.numbers_b), compatible)
        if replacement is None or not _by_replacement(left, *replacement, PairBasis.PREFIX):
            return


def _placed(grouped: Mapping[str, Sequence[Part]], numbers: Numbering) -> dict[str, dict[Index, Part]]:
    return {template: {numbers.index(part): part for part in parts} for template, parts in grouped.items()}


def _by_role(left: _Open) -> None:
    """Pair parts of one role, layer and expert, where each side has one such part."""
    ours, theirs = _by_place(left.a.values(), left.numbers_a), _by_place(left.b.values(), left.numbers_b)
    for place, parts in ours.items():
        others = theirs.get(place, [])
        if len(parts) == len(others) == 1 and compatible(parts[0], others[0]):
            left.join(parts[0], others[0], PairBasis.ROLE)


def _by_place(parts: Iterable[Part], numbers: Numbering) -> dict[tuple[str, int | None, int | None, str], list[Part]]:
    places: dict[tuple[str, int | None, int | None, str], list[Part]] = defaultdict(list)
    for part in parts:
        if part.role:
            places[part.role, numbers.layer(part), part.expert, part.kind].append(part)
    return places


Signature = tuple[bool, tuple[tuple[Index, tuple[object, ...]], ...]]


def _signature(parts: Sequence[Part], named: Mapping[int, str], numbers: Numbering) -> Signature:
    """What a template looks like without its name: indices and shapes, with known sizes called by their dimension."""
    return (
        parts[0].kind == "bias",
        tuple((numbers.index(part), tuple(named.get(n, n) for n in part.shape)) for part in _by_index(parts)),
    )


def _by_index(parts: Iterable[Part]) -> list[Part]:
    return sorted(parts, key=lambda part: part.index)


def _named_sizes(anatomy: Anatomy) -> dict[int, str]:
    return {size: name for name, size in anatomy.dimensions.items() if name != "layers"}


def _by_shape(left: _Open, a: Anatomy, b: Anatomy) -> None:
    """Pair templates of equal indices and shapes; where several are equal, in natural order and as a choice."""
    for names_a, names_b in (({}, {}), (_named_sizes(a), _named_sizes(b))):
        ours, theirs = left.templates()
        classes = _classes(theirs, names_b, left.numbers_b)
        for signature, mine in _classes(ours, names_a, left.numbers_a).items():
            others = classes.get(signature, [])
            if not others or all(n == 1 for _, shape in signature[1] for n in shape):
                continue
            open_choice = len(mine) > 1 or len(others) > 1
            for x, y in zip(sorted(mine, key=natural_key), sorted(others, key=natural_key), strict=False):
                for part_a, part_b in zip(_by_index(ours[x]), _by_index(theirs[y]), strict=True):
                    left.join(part_a, part_b, PairBasis.SHAPE, ambiguous=open_choice)


def _classes(
    grouped: Mapping[str, Sequence[Part]], named: Mapping[int, str], numbers: Numbering
) -> dict[Signature, list[str]]:
    classes: dict[Signature, list[str]] = defaultdict(list)
    for template, parts in grouped.items():
        classes[_signature(parts, named, numbers)].append(template)
    return classes
