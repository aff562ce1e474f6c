"""How far may a model drift before its origin is no longer seen, plain and after each disguise?

A base is changed by a share of each matrix' size, then disguised, then compared with the base. It is changed by noise,
and along the change that a real fine-tune made, scaled to that share. `python -m bench.drift` also writes the table of
`docs/limits.md`.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from bench.outcome import Check, Grid, Outcome
from bench.zoo import bases, derive
from bench.zoo import symmetries as by
from bench.zoo.cache import REPOSITORY
from bench.zoo.derivatives.disguises import EVERYTHING, PERMUTED, cast, disguise, store
from bench.zoo.families import FAMILIES
from bench.zoo.model import Model
from bench.zoo.symmetries import Symmetry
from bench.zoo.train import generator
from provenance import Options, Result, compare
from provenance.result import Relation, Status
from provenance.thresholds import thresholds

LEVELS = (0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 2.0)
"""Relative changes: the norm of the change over that of the matrix."""
DRIFTS = ("noise", "tuning")
DISGUISES: Mapping[str, Mapping[str, Sequence[Symmetry]]] = {
    "llama": {
        "none": (),
        "neurons permuted": (by.permute_neurons,),
        "stream permuted": (by.permute_residual,),
        "stream rotated": (by.rotate_residual,),
        "all but tokens": tuple(step for step in EVERYTHING["llama"] if step is not by.permute_vocabulary),
        "everything": EVERYTHING["llama"],
    },
    "bert": {
        "none": (),
        "neurons permuted": (by.permute_neurons,),
        "stream permuted": (by.permute_residual,),
        "everything": PERMUTED,
    },
    "resnet": {"none": (), "channels permuted": (by.permute_channels,)},
}
WORDS = {Relation.COMMON_ORIGIN: "common origin", Relation.INDEPENDENT: "**nothing**", Relation.INCONCLUSIVE: "open"}
DOCUMENT = REPOSITORY / "docs" / "limits.md"
MARKS = ("<!-- drift: python -m bench.drift -->\n", "<!-- end of drift -->\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A base, how it drifted and how far, and how it was disguised afterwards."""

    family: str
    drift: str
    level: float
    disguise: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The verdict on a case, and the signal that it rests on."""

    case: Case
    relation: str
    signal: str
    effect: float | None

    @property
    def cell(self) -> str:
        """As the table has it."""
        return f"{WORDS.get(Relation(self.relation), self.relation)}{f', {self.signal}' if self.signal else ''}"


def cases() -> Iterator[Case]:
    """All of them."""
    for family, disguises in DISGUISES.items():
        for name in disguises:
            for drift in DRIFTS:
                for level in LEVELS:
                    yield Case(family=family, drift=drift, level=level, disguise=name)


def drifted(case: Case) -> Model:
    """The base after its change, which for every matrix is `level` of its norm."""
    base = Model.read(bases.BASES[f"{case.family}-0"].folder)
    tuned = Model.read(derive.folder(f"{case.family}-tuned")).tensors if case.drift == "tuning" else {}
    random = generator("drift", case.family)
    changed: dict[str, Tensor] = {}
    for name, value in sorted(base.tensors.items()):
        if value.ndim > 1:
            change = torch.randn(value.shape, generator=random, dtype=value.dtype)
            if tuned:
                change = tuned[name] - value
            changed[name] = value + case.level * value.norm() / change.norm() * change
    return base.updated(changed)


def said(case: Case) -> Said:
    """Make the case's model and compare it with the base."""
    steps = DISGUISES[case.family][case.disguise]
    model = disguise(drifted(case), steps, generator("drift", case.family, case.disguise))
    with tempfile.TemporaryDirectory() as place:
        store(cast(model, FAMILIES[case.family].dtype), Path(place))
        result = compare(bases.BASES[f"{case.family}-0"].folder, place, Options(threads=1))
    verdict = result.verdict
    return Said(case=case, relation=verdict.relation.value, signal=deciding(result), effect=verdict.effect)


def deciding(result: Result) -> str:
    """The signal of the strongest exact test; where none speaks, the units that were matched alike."""
    if result.verdict.relation not in (Relation.DERIVED, Relation.COMMON_ORIGIN):
        return ""
    found = [item for item in result.evidence if item.decides and item.status is Status.DEPENDENT]
    if not found:
        return "units matched alike" if result.verdict.log10_p is None else "equal tensors"
    return min(found, key=lambda item: item.log10_p).signal.replace("_", " ")


def rows(answers: Sequence[Said]) -> list[tuple[str, ...]]:
    """One row for each base, disguise and drift."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for each in answers:
        key = each.case.family, each.case.disguise, each.case.drift
        found.setdefault(key, []).append(each.cell)
    return [(*key, *cells) for key, cells in found.items()]


def outcome(answers: Sequence[Said]) -> Outcome:
    """Checks and the table."""
    certain = thresholds().seen_drift
    sure = [each for each in answers if each.case.level <= certain]
    seen = sum(each.relation == Relation.DERIVED for each in sure)
    check = Check.all_of(f"derived after a change of at most {certain:.0%} and any disguise", seen, len(sure))
    columns = ("base", "disguise", "drift", *(f"{level:.0%}" for level in LEVELS))
    grid = Grid(title="what is seen of a drifted model", columns=columns, rows=rows(answers))
    return Outcome(part="drift", checks=[check], grids=[grid], data={"answers": [asdict(each) for each in answers]})


def every() -> list[Said]:
    """All cases; the fine-tunes are made where they are missing."""
    derive.build([f"{family}-tuned" for family in DISGUISES])
    return [said(case) for case in track(list(cases()), "drift", console=Console(file=sys.stderr))]


def run() -> Outcome:
    """Compare all cases."""
    return outcome(every())


def markdown(grid: Grid) -> str:
    """A grid as a table of a document."""
    lines = [grid.columns, ["---"] * len(grid.columns), *grid.rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def with_table(text: str, found: str) -> str:
    """A document with the table between its marks replaced."""
    before, _, rest = text.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not end:
        raise ValueError(f"the document does not have {MARKS[0].strip()} and {MARKS[1].strip()}")
    return before + MARKS[0] + found + MARKS[1] + after


if __name__ == "__main__":
    (table,) = run().grids
    DOCUMENT.write_text(with_table(DOCUMENT.read_text(), markdown(table)))
