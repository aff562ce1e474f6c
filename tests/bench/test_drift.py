"""What the bench measures of drifted models is what the document says, and the change is as large as it is called."""

from __future__ import annotations

import pytest

from bench.drift import DOCUMENT, LEVELS, MARKS, Case, cases, drifted, markdown, outcome, said, with_table
from bench.zoo import bases
from bench.zoo.model import Model


@pytest.mark.parametrize("level", [0.1, 1.0])
def test_the_change_is_a_share_of_every_matrix(level):
    base = Model.read(bases.BASES["bert-0"].folder).tensors
    changed = drifted(Case(family="bert", drift="noise", level=level, disguise="none")).tensors
    for name, value in base.items():
        share = (changed[name] - value).norm() / value.norm() if value.ndim > 1 else (changed[name] - value).norm()
        assert share.item() == pytest.approx(level if value.ndim > 1 else 0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("family", "disguise", "level"), [("llama", "everything", 0.35), ("resnet", "channels permuted", 0.1)]
)
def test_the_document_says_what_is_measured(family, disguise, level):
    case = Case(family=family, drift="noise", level=level, disguise=disguise)
    assert case in cases()
    (row,) = [line for line in DOCUMENT.read_text().splitlines() if line.startswith(f"| {family} | {disguise} | noise")]
    assert row.strip("| ").split(" | ")[3 + LEVELS.index(level)] == said(case).cell


def test_a_document_without_the_marks_is_left_alone():
    answer = said(Case(family="resnet", drift="noise", level=0.1, disguise="none"))
    (grid,) = outcome([answer]).grids
    table = markdown(grid)
    assert "derived" in table
    assert (
        with_table(f"before\n{MARKS[0]}old\n{MARKS[1]}after\n", table) == f"before\n{MARKS[0]}{table}{MARKS[1]}after\n"
    )
    with pytest.raises(ValueError, match="drift"):
        with_table("nothing", table)
