"""The table of renames: prefixes that were replaced, templates that became others, layers that were renumbered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from fingerprints.anatomy import Part
from fingerprints.pairing import Pair, PairBasis
from fingerprints.templates import SLOT, Index, pieces, slots
from provenance.observation import Observation
from provenance.result import Basis, RenameRule


def rename_rules(observed: Observation) -> tuple[RenameRule, ...]:
    """Rules that explain every renamed pair: a prefix that was replaced, or a template that became another."""
    prefixes: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    others: list[Pair] = []
    for pair in observed.pairing.pairs:
        if pair.renamed and pair.basis in (PairBasis.PREFIX, PairBasis.USER):
            prefixes[_replaced_prefix(pair.a, pair.b)].append(pair)
        elif pair.renamed:
            others.append(pair)
    rules = [(f"{old}*", f"{new}*", pairs) for (old, new), pairs in sorted(prefixes.items())]
    rules += [(old, new, pairs) for (old, new), pairs in sorted(_by_template(others).items())]
    return tuple(
        RenameRule(
            a=old,
            b=new,
            count=len(pairs),
            basis=_basis(observed, pairs),
            ambiguous=any(pair.ambiguous for pair in pairs) and not _proved(observed, pairs),
        )
        for old, new, pairs in rules
    )


def _by_template(pairs: Sequence[Pair]) -> dict[tuple[str, str], list[Pair]]:
    """Pairs by the rule that explains them: of two templates one rule, if one law connects their numbers."""
    grouped: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for pair in pairs:
        grouped[pair.a.template, pair.b.template].append(pair)
    rules: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for (old, new), members in grouped.items():
        laws = _laws([(pair.a.index, pair.b.index) for pair in members])
        if laws is None:
            for pair in members:
                rules[pair.a.name, pair.b.name].append(pair)
        elif old == new:
            rules[_renumbered(old, laws)] += members
        else:
            rules[old, _filled(new, laws)] += members
    return rules


def _laws(numbers: Sequence[tuple[Index, Index]]) -> list[str] | None:
    """What stands for each number of the new names, such as `{i+1}`, `{2*i}` or `{11-i}`; None where nothing does."""
    olds, news = zip(*numbers, strict=True)
    if len({len(index) for index in (*olds, *news)}) > 1:
        return None
    laws = [_law(old, new) for old, new in zip(zip(*olds, strict=True), zip(*news, strict=True), strict=True)]
    return None if None in laws else [law for law in laws if law is not None]


def _law(old: Sequence[int], new: Sequence[int]) -> str | None:
    """The slot that turns each old number into the new one; a lone number may only stay."""
    if old == new:
        return SLOT
    if line := _line(old, new):
        slope, offset = line
        if slope == -1:
            return f"{{{offset}-i}}"
        times = "i" if slope == 1 else f"{slope}*i"
        return f"{{{times}{offset:+d}}}" if offset else f"{{{times}}}"
    if line := _line(new, old):
        slope, offset = line
        return f"{{(i{-offset:+d})/{slope}}}" if offset else f"{{i/{slope}}}"
    return None


def _line(x: Sequence[int], y: Sequence[int]) -> tuple[int, int] | None:
    """Whole slope, above zero or -1, and offset of the line through all points."""
    other = next((place for place, value in enumerate(x) if value != x[0]), None)
    if other is None:
        return None
    slope = (y[other] - y[0]) // (x[other] - x[0])
    offset = y[0] - slope * x[0]
    if not (slope > 0 or slope == -1) or any(b != slope * a + offset for a, b in zip(x, y, strict=True)):
        return None
    return slope, offset


def _renumbered(template: str, laws: Sequence[str]) -> tuple[str, str]:
    """One rule for all templates of a stack whose numbers alone have changed: up to the last number that did."""
    last = max(place for place, law in enumerate(laws) if law != SLOT)
    fixed, marks = pieces(template), slots(template)
    head = "".join(piece + mark for piece, mark in zip(fixed[: last + 1], marks, strict=False))
    ending = ".*" if fixed[last + 1].startswith(".") else "*"
    return head + ending, _filled(head, laws[: last + 1]) + ending


def _filled(template: str, laws: Sequence[str]) -> str:
    """The template with laws for its slots, in order; padded as they are."""
    padding = [mark.removeprefix("{i").removesuffix("}") for mark in slots(template)]
    shown = [law.removesuffix("}") + pad + "}" for law, pad in zip(laws, padding, strict=True)]
    return "".join(piece + law for piece, law in zip(pieces(template), [*shown, ""], strict=True))


def _replaced_prefix(a: Part, b: Part) -> tuple[str, str]:
    """The prefixes left when the longest common ending is taken off both templates."""
    one, two = a.template.split("."), b.template.split(".")
    while one and two and one[-1] == two[-1]:
        one.pop()
        two.pop()
    return (".".join(one) + "." if one else "", ".".join(two) + "." if two else "")


def _basis(observed: Observation, pairs: Iterable[Pair]) -> Basis:
    pairs = list(pairs)
    if all(pair.basis is PairBasis.WEIGHTS for pair in pairs) or _proved(observed, pairs):
        return Basis.WEIGHTS
    if all(pair.basis is PairBasis.SHAPE for pair in pairs):
        return Basis.SHAPE
    return Basis.NAME_TABLE


def _proved(observed: Observation, pairs: Iterable[Pair]) -> bool:
    """Whether most of the rule's tensors that were looked at are dependent."""
    looked_at = [pair.a.name for pair in pairs if pair.a.name in observed.measured]
    dependent = sum(name in observed.dependent_tensors for name in looked_at)
    return bool(looked_at) and 2 * dependent > len(looked_at)
