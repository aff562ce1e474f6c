"""Reports of the terminal in another language than the one that results are recorded in."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from cli.main import run
from cli.render.report import report
from cli.render.verification import verification_report
from cli.render.view import View
from cli.screen import Screen
from provenance import wording
from provenance.messages import Messages, messages
from provenance.reports.json import encode, read_result
from provenance.result import UNDISGUISED, Kind, Result
from provenance.verification import juxtapose
from tests.results import RESULTS, SAVED, derived, hostile, independent

UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u200b\ud800]")
HAN = re.compile("[\u4e00-\u9fff]")
OWN_ENGLISH = re.compile(
    r"\b(?:Architecture|Evidence|Layers|Claims|Findings|Not measured|learned parameters|share trained weights"
    r"|show(?:s)? all|coverage|p-value|tensors paired|fetched)\b"
)


def drawn(result: Result, *, verbose: bool = True) -> str:
    view = View.on(Screen(), verbose=verbose, language="zh")
    return Screen().draw(report(result, view))


@pytest.mark.parametrize("name", ["derived", "identical", "independent", "inconclusive"])
def test_headings_labels_and_the_summary_are_chinese(name: str) -> None:
    result = RESULTS[name]()
    text = drawn(result)
    assert HAN.search(text.splitlines()[1])
    assert wording.headline(result.verdict, messages("zh")) in text
    rest = re.sub(r"[\s│]+", " ", text).replace(re.sub(r"\s+", " ", result.verdict.summary), "")
    assert not OWN_ENGLISH.search(rest)


def test_the_recorded_summary_stands_beside_the_translated_one() -> None:
    result = independent()
    assert result.verdict.summary in re.sub(r"[\s│]+", " ", drawn(result))
    assert messages("zh")("summary.independent") in drawn(result)


def test_english_stays_as_it_was_recorded() -> None:
    for result in (derived(), independent()):
        assert wording.summary(result, messages("en")) == result.verdict.summary


@pytest.mark.parametrize("path", SAVED, ids=lambda path: path.stem)
def test_what_is_put_together_anew_says_what_was_recorded(path) -> None:
    """The catalogue's English, used as if it were another language, against what the judge wrote."""
    result = read_result(path.read_text())
    anew = wording.summary(result, Messages(language="xx", texts=messages("en").texts))
    first = re.split(r"[.:(]", result.verdict.summary)[0].strip()
    assert re.split(r"[.:(]", anew)[0].strip() == first


def test_kinds_have_words_and_unknown_ones_their_name() -> None:
    kinds = (Kind(kind="quantised"), Kind(kind="transmogrified"), Kind(kind="renamed", packaging=True))
    base = derived()
    text = wording.summary(replace(base, verdict=replace(base.verdict, kinds=kinds)), messages("zh"))
    assert "量化、transmogrified" in text
    assert "改名" in text


def test_a_scope_that_is_known_is_translated_and_any_other_quoted() -> None:
    verdict = independent().verdict
    assert verdict.scope == UNDISGUISED
    assert wording.scope(verdict, messages("zh")) == messages("zh")("scope.undisguised")
    assert wording.scope(replace(verdict, scope="a part"), messages("zh")) == "a part"
    assert wording.scope(replace(verdict, scope=None), messages("zh")) is None


def test_names_are_as_inert_as_in_english() -> None:
    assert not UNSAFE.search(drawn(hostile()))
    found = juxtapose(hostile(), derived())
    text = Screen().draw(verification_report(found, View.on(Screen(), verbose=True, language="zh")))
    assert not UNSAFE.search(text)
    assert "未能复现" in text


def test_a_screen_of_ascii_gets_english() -> None:
    screen = Screen(ascii_only=True)
    text = screen.draw(report(derived(), View.on(screen, verbose=False, language="zh")))
    assert text.isascii()
    assert "Architecture" in text


def test_the_commands_take_the_language(compare_gives, tmp_path, capsys) -> None:
    compare_gives(derived())
    saved = tmp_path / "result.json"
    saved.write_text(encode(derived()))
    for words in (["compare", "a", "b"], ["render", str(saved)], ["verify", str(saved)]):
        assert run([*words, "--lang", "zh"]) == 0
        assert HAN.search(capsys.readouterr().out)
