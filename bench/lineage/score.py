"""What is right and what is wrong about an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from scipy import stats

from bench.lineage.pairs import Pair
from bench.lineage.trial import REFUSED, Trial

RELATED = ("identical", "derived", "common_origin")
OPEN = ("inconclusive", REFUSED)
PACKAGING = ("renamed", "resharded", "container", "dtype_cast")
TRAINING = ("fine_tune", "continued_pretraining")
CONFIDENCE = 0.95


class Mark(StrEnum):
    """An answer beside the truth. `OPEN`: the auditor did not decide, which is no error."""

    RIGHT = "right"
    OPEN = "open"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A pair, the answer, and how it compares with the truth.

    `related` asks only for "shares something trained" against "independent"; `relation` for the very relation; `kind`
    for all operations and no other; None where there is nothing to ask.
    """

    pair: Pair
    trial: Trial

    @property
    def related(self) -> Mark:
        """Related or unrelated?"""
        if self.trial.relation in OPEN:
            return Mark.OPEN
        return _mark((self.trial.relation in RELATED) == (self.pair.relation in RELATED))

    @property
    def relation(self) -> Mark:
        """Which relation?"""
        return Mark.OPEN if self.trial.relation in OPEN else _mark(self.trial.relation == self.pair.relation)

    @property
    def kind(self) -> Mark | None:
        """Which operations, in any order, and which packaging of that done on purpose?"""
        if not self.pair.kinds or self.trial.relation not in ("identical", "derived"):
            return None
        wanted, found = names(self.pair.kinds), names(self.trial.kinds)
        if wanted <= set(PACKAGING):
            return _mark(wanted <= set(self.trial.packaging) and not found)
        if not found:
            return Mark.OPEN
        return _mark(found == wanted - set(PACKAGING))

    @property
    def operations(self) -> tuple[str, ...]:
        """What was done, oldest first, packaging left out."""
        return tuple(kind["kind"] for kind in self.pair.kinds if kind["kind"] not in PACKAGING)

    @property
    def main_kind(self) -> Mark | None:
        """Of a chain: is the first operation that is more than training among those that are said?"""
        if self.kind is None or len(set(self.operations)) < 2:
            return None
        main = next((name for name in self.operations if name not in TRAINING), self.operations[0])
        found = names(self.trial.kinds)
        return _mark(main in found) if found else Mark.OPEN

    @property
    def is_merge(self) -> bool:
        """Whether more than one parent went into one side, which the other side alone cannot show."""
        return "merged" in self.operations

    @property
    def direction(self) -> Mark | None:
        """Which is the parent?"""
        if self.pair.group != "relatives" or self.trial.relation not in ("identical", "derived"):
            return None
        if self.trial.direction == "undirected":
            return Mark.RIGHT if self.pair.direction == "undirected" else Mark.OPEN
        return _mark(self.trial.direction == self.pair.direction)


def names(kinds: Sequence[Mapping[str, Any]]) -> set[str]:
    """The names of kinds."""
    return {kind["kind"] for kind in kinds}


def bound(errors: int, count: int) -> float:
    """Upper Clopper-Pearson bound of an error rate at `CONFIDENCE`; 1 without a trial."""
    return 1.0 if errors >= count else float(stats.beta.ppf(CONFIDENCE, errors + 1, count - errors))


def _mark(right: bool) -> Mark:
    return Mark.RIGHT if right else Mark.WRONG
