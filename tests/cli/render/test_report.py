from __future__ import annotations

import re
from dataclasses import replace

import pytest

from cli.render.inspection import inspection_report
from cli.render.report import one_line, report
from cli.render.view import View
from cli.screen import Screen
from provenance.result import Direction, Evidence, Result
from tests.inspections import hostile_inspection, inspection
from tests.results import HOSTILE, RESULTS, derived, identical

UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u200b\ud800]")


def text(result: Result, *, verbose: bool = False, ascii_only: bool = False, color: bool = False) -> str:
    screen = Screen(ascii_only=ascii_only, color=color)
    return screen.draw(report(result, View(verbose=verbose, ascii_only=ascii_only)))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("derived", "B's weights are derived from A's"),
        ("identical", "B's weights are identical to A's"),
        ("independent", "No sign of shared weights"),
        ("inconclusive", "Could not be decided"),
    ],
)
def test_the_answer_comes_first_in_words(name: str, words: str) -> None:
    lines = text(RESULTS[name]()).splitlines()
    assert words in lines[1]
    assert RESULTS[name]().verdict.summary in lines[3]


@pytest.mark.parametrize(
    ("direction", "words"),
    [
        (Direction.A_TO_B, "B's weights are derived from A's"),
        (Direction.B_TO_A, "A's weights are derived from B's"),
        (Direction.UNDIRECTED, "A and B share trained weights"),
        (None, "A and B share trained weights"),
    ],
)
def test_derivation_is_told_in_the_direction_the_weights_show(direction: Direction | None, words: str) -> None:
    base = derived()
    assert words in text(replace(base, verdict=replace(base.verdict, direction=direction)))


def test_the_sections_come_in_their_order() -> None:
    drawn = text(derived(), verbose=True)
    titles = [
        "(derived)",
        "Architecture",
        "Evidence",
        "Detail",
        "Layers",
        "Claims",
        "Findings",
        "Not measured",
        "read ",
    ]
    places = [drawn.index(f"\n{title}") if title != "(derived)" else drawn.index(title) for title in titles]
    assert places == sorted(places)


def test_the_figures_of_the_verdict_are_all_there() -> None:
    drawn = text(derived())
    for figure in (
        "p < 10^-312",
        "38 tests",
        "0.980",
        "0.021",
        "99 %",
        "100 %",
        "60 %",
        "fine_tune",
        "0.0123",
        "1e-06",
    ):
        assert figure in drawn
    assert "undisguised derivation only" in text(RESULTS["independent"]())
    assert "514 MB of 32.1 GB (1.6 %)" in drawn


def test_renames_are_capped_and_say_so() -> None:
    assert "ln11.weight" in text(derived())
    assert "ln12.weight" not in text(derived())
    assert "and 3 more renames" in text(derived())
    assert "ln14.weight" in text(derived(), verbose=True)
    assert "shape, ambiguous" in text(derived())


def test_per_tensor_detail_is_for_verbose() -> None:
    name = "model.layers.0.mlp.gate_proj.weight"
    assert name not in text(derived())
    assert "and 1 more measured per tensor" in text(derived())
    assert name in text(derived(), verbose=True)


def test_tests_that_decide_come_before_the_rest() -> None:
    base = derived()
    drawn = text(replace(base, evidence=base.evidence[::-1]), verbose=True)
    assert drawn.index("layer 0 neurons") < drawn.index("model.layers.0.mlp.gate_proj.weight")


def test_many_tests_are_capped_and_say_so() -> None:
    base = derived()
    evidence: list[Evidence] = [replace(base.evidence[0], subject=f"group {i}") for i in range(25)]
    drawn = text(replace(base, evidence=tuple(evidence)))
    assert "group 19 " in drawn
    assert "group 20 " not in drawn
    assert "and 5 more tests" in drawn


def test_layers_that_were_not_sampled_share_a_line() -> None:
    lines = text(derived()).splitlines()
    assert sum("not sampled" in line and "→" in line for line in lines) == 1
    assert any(line.startswith("  1 → 1  to  4 → 4: not sampled") for line in lines)


def test_bars_follow_the_effect() -> None:
    assert "\N{FULL BLOCK}" * 20 in text(identical())
    assert "\N{LIGHT SHADE}" * 20 in text(RESULTS["independent"]())
    assert "#" * 20 in text(identical(), ascii_only=True)


def test_only_claims_that_disagree_are_shown_at_first() -> None:
    assert "vocab_size" in text(derived())
    assert "model_type" not in text(derived())
    assert "model_type" in text(derived(), verbose=True)


def test_reasons_are_grouped() -> None:
    drawn = text(derived())
    assert "4 x not sampled" in drawn
    assert "layer 4" not in drawn
    assert "and 1 more for this reason" in drawn


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("name", sorted(RESULTS))
def test_no_text_from_a_file_reaches_the_terminal_raw(name: str, verbose: bool, ascii_only: bool) -> None:
    drawn = text(RESULTS[name](), verbose=verbose, ascii_only=ascii_only)
    assert UNSAFE.search(drawn) is None
    assert drawn.isascii() or not ascii_only
    if name == "hostile":
        assert "[bold" in drawn
        assert ":smile:" in drawn


def test_markup_in_names_is_shown_and_not_obeyed() -> None:
    base = derived()
    named = replace(base, a=replace(base.a, reference="[bold red]x[/] [link=http://x]y[/link]"))
    assert "[bold red]x[/] [link=http://x]y[/link]" in text(named)


def test_colours_add_nothing_that_words_do_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    colored = text(derived(), color=True)
    assert "\x1b[" in colored
    plain = re.sub(r"\x1b\[[0-9;]*m", "", colored)
    assert [line.rstrip() for line in plain.splitlines()] == text(derived()).splitlines()


@pytest.mark.parametrize("name", sorted(RESULTS))
def test_one_line_is_one_line_of_ascii(name: str) -> None:
    line = one_line(RESULTS[name]())
    assert line.isascii()
    assert line.count("\n") == 1
    assert line.startswith(f"{RESULTS[name]().verdict.relation} log10_p=")


def test_an_inspection_shows_what_the_checkpoint_holds() -> None:
    drawn = Screen().draw(inspection_report(inspection(), View()))
    for part in (
        "safetensors",
        "8,030,261,248",
        "8,030,000,000",
        "BF16",
        "14336 x 4096",
        "chosen",
        "weight-sets-disagree",
        "fused_qkv",
        "query, key, value",
    ):
        assert part in drawn
    assert "1; 2 x 2; 1 more" in drawn
    assert "1; 2 x 2; scalar" in Screen().draw(inspection_report(inspection(), View(verbose=True)))


@pytest.mark.parametrize("ascii_only", [False, True])
def test_an_inspection_escapes_what_files_say(ascii_only: bool) -> None:
    drawn = Screen(ascii_only=ascii_only).draw(
        inspection_report(hostile_inspection(), View(verbose=True, ascii_only=ascii_only))
    )
    assert UNSAFE.search(drawn) is None
    assert HOSTILE not in drawn
    assert drawn.isascii() or not ascii_only
