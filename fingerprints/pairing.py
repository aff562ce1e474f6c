"""Which tensor of B stands where a tensor of A stands, from names, roles and shapes.

Five steps, each only for what the earlier ones left: equal names · prefixes given by the user · name prefixes that
replace one another · equal roles · equal shapes. The result says what every renamed pair rests on. Shapes alone may
leave a choice (which of two gains is `ln1`?); such pairs are marked as ambiguous, for the weights to decide
(`fingerprints.assignment`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from fingerprints.anatomy import Anatomy, Part, under
from fingerprints.errors import UsageError
from fingerprints.templates import Index, natural_key

MOST_PREFIXES = 32


class PairBasis(StrEnum):
    """Why two tensors are taken for counterparts."""

    NAME = "name"
    USER = "user"
    PREFIX = "prefix"
    ROLE = "role"
    SHAPE = "shape"
    WEIGHTS = "weights"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A tensor of A and its counterpart in B. `matched` names the axes whose units a search has matched."""

    a: Part
    b: Part
    basis: PairBasis
    ambiguous: bool = False
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
        """Whether weights took part in choosing pairs; tests then use the half that the search did not see."""
        return any(pair.basis is PairBasis.WEIGHTS for pair in self.pairs)


@dataclass(slots=True)
class _Open:
    """What is still to be paired."""

    a: dict[str, Part]
    b: dict[str, Part]
    pairs: list[Pair] = field(default_factory=list)

    def join(self, a: Part, b: Part, basis: PairBasis, *, ambiguous: bool = False) -> None:
        self.pairs.append(Pair(a=a, b=b, basis=basis, ambiguous=ambiguous))
        del self.a[a.name]
        del self.b[b.name]

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
    left = _Open(a=dict(a.parts), b=dict(b.parts))
    _by_user(left, renames or {})
    for name in [name for name in left.a if name in left.b]:
        if compatible(left.a[name], left.b[name]):
            left.join(left.a[name], left.b[name], PairBasis.NAME)
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


def _common_ending(a: Sequence[str], b: Sequence[str]) -> int:
    """Number of equal components at the end."""
    count = 0
    for x, y in zip(reversed(a), reversed(b), strict=False):
        if x != y:
            break
        count += 1
    return count


def _by_prefix(left: _Open) -> None:
    """Repeatedly take the replacement of one name prefix by another that pairs most tensors, until several do."""
    for _ in range(MOST_PREFIXES):
        replacement = _best_prefix(_prefix_votes(left))
        if replacement is None:
            return
        old, new = replacement
        before = len(left.a)
        at = {(part.template, part.index): part for part in left.b.values()}
        for part in list(left.a.values()):
            if part.template.startswith(old):
                other = at.get((new + part.template[len(old) :], part.index))
                if other is not None and other.name in left.b and compatible(part, other):
                    left.join(part, other, PairBasis.PREFIX)
        if len(left.a) == before:
            return


def _best_prefix(votes: Mapping[tuple[str, str], int]) -> tuple[str, str] | None:
    """The replacement with most votes; None where one of its sides has another partner with as many."""
    most = max(votes.values(), default=0)
    best = [replacement for replacement, count in votes.items() if count == most]
    olds, news = Counter(old for old, _ in best), Counter(new for _, new in best)
    clear = [(old, new) for old, new in best if olds[old] == news[new] == 1]
    return min(clear, key=lambda item: (len(item[0]) + len(item[1]), item), default=None)


def _prefix_votes(left: _Open) -> dict[tuple[str, str], int]:
    """Tensors that each replacement of a prefix would pair; at least a module's name must be left in common."""
    ours, theirs = left.templates()
    endings: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for template in theirs:
        endings[tuple(template.split(".")[-2:])].append(template)
    votes: dict[tuple[str, str], int] = defaultdict(int)
    for template, parts in ours.items():
        split = template.split(".")
        indices = {part.index: part for part in parts}
        for other in endings.get(tuple(split[-2:]), ()):
            others = other.split(".")
            shared = _common_ending(split, others)
            if shared < 2 and len(split) > 1:
                continue
            fitting = sum(p.index in indices and compatible(indices[p.index], p) for p in theirs[other])
            if fitting:
                old, new = ".".join(split[:-shared]), ".".join(others[:-shared])
                votes[old + "." if old else "", new + "." if new else ""] += fitting
    return votes


def _by_role(left: _Open) -> None:
    """Pair parts of one role, layer and expert, where each side has one such part."""
    ours, theirs = _by_place(left.a.values()), _by_place(left.b.values())
    for place, parts in ours.items():
        others = theirs.get(place, [])
        if len(parts) == len(others) == 1 and compatible(parts[0], others[0]):
            left.join(parts[0], others[0], PairBasis.ROLE)


def _by_place(parts: Iterable[Part]) -> dict[tuple[str, int | None, int | None, str], list[Part]]:
    places: dict[tuple[str, int | None, int | None, str], list[Part]] = defaultdict(list)
    for part in parts:
        if part.role:
            places[part.role, part.layer, part.expert, part.kind].append(part)
    return places


Signature = tuple[bool, tuple[tuple[Index, tuple[object, ...]], ...]]


def _signature(parts: Sequence[Part], named: Mapping[int, str]) -> Signature:
    """What a template looks like without its name: indices and shapes, with known sizes called by their dimension."""
    return (
        parts[0].kind == "bias",
        tuple((part.index, tuple(named.get(n, n) for n in part.shape)) for part in _by_index(parts)),
    )


def _by_index(parts: Iterable[Part]) -> list[Part]:
    return sorted(parts, key=lambda part: part.index)


def _named_sizes(anatomy: Anatomy) -> dict[int, str]:
    return {size: name for name, size in anatomy.dimensions.items() if name != "layers"}


def _by_shape(left: _Open, a: Anatomy, b: Anatomy) -> None:
    """Pair templates of equal indices and shapes; where several are equal, in natural order and as a choice."""
    for names_a, names_b in (({}, {}), (_named_sizes(a), _named_sizes(b))):
        ours, theirs = left.templates()
        classes = _classes(theirs, names_b)
        for signature, mine in _classes(ours, names_a).items():
            others = classes.get(signature, [])
            if not others or all(n == 1 for _, shape in signature[1] for n in shape):
                continue
            open_choice = len(mine) > 1 or len(others) > 1
            for x, y in zip(sorted(mine, key=natural_key), sorted(others, key=natural_key), strict=False):
                for part_a, part_b in zip(_by_index(ours[x]), _by_index(theirs[y]), strict=True):
                    left.join(part_a, part_b, PairBasis.SHAPE, ambiguous=open_choice)


def _classes(grouped: Mapping[str, Sequence[Part]], named: Mapping[int, str]) -> dict[Signature, list[str]]:
    classes: dict[Signature, list[str]] = defaultdict(list)
    for template, parts in grouped.items():
        classes[_signature(parts, named)].append(template)
    return classes


def reassigned(pairing: Pairing, swaps: Mapping[str, Part]) -> Pairing:
    """The pairing with new partners, by weights, for some parts of A; parts of B that lose theirs are left over.

    Parameters
    ----------
    pairing : Pairing
        The pairing so far.
    swaps : mapping
        Name of a part of A to its new partner.
    """
    taken = {part.name for part in swaps.values()}
    pairs = [
        replace(pair, b=swaps[pair.a.name], basis=PairBasis.WEIGHTS, ambiguous=False) if pair.a.name in swaps else pair
        for pair in pairing.pairs
        if pair.a.name in swaps or pair.b.name not in taken
    ]
    present = {pair.a.name for pair in pairs}
    pairs += [Pair(a=p, b=swaps[p.name], basis=PairBasis.WEIGHTS) for p in pairing.only_a if p.name in swaps]
    present |= set(swaps)
    used = {pair.b.name for pair in pairs}
    everything_a = [*(pair.a for pair in pairing.pairs), *pairing.only_a]
    everything_b = [*(pair.b for pair in pairing.pairs), *pairing.only_b]
    return Pairing(
        pairs=tuple(pairs),
        only_a=tuple(part for part in everything_a if part.name not in present),
        only_b=tuple(part for part in everything_b if part.name not in used),
    )
