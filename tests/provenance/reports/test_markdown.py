from __future__ import annotations

import re

import pytest

from provenance.messages import LANGUAGES, messages
from provenance.reports.encoder import Presentation
from provenance.reports.markdown import encode
from provenance.reports.reproduction import compare_command
from tests.results import RESULTS, derived, poisoned

ALLOWED = {"blockquote", "code", "h2", "h3", "li", "p", "pre", "table", "tbody", "td", "th", "thead", "tr", "ul"}
PAYLOADS = [
    "<script>alert(1)</script>",
    "![x](http://evil) [y](javascript:z) <b>*bold*</b> `code` ``two`` |cell| ~~gone~~ $$x$$ &amp; \\",
    "\n\n# heading\n\n- item\n\n```\nfence\n| a | b |\n|---|---|\n",
    "``````",
    "`",
    "- list",
    "1. list",
    "> quote",
    "=== \n---",
    "x" * 10_000,
    "\x1b[31m\u202ered",
]


def tags(text: str) -> set[str]:
    markdown_it = pytest.importorskip("markdown_it")
    html = markdown_it.MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(text)
    return set(re.findall(r"<([a-z0-9]+)", html.replace("<!-- -->", "")))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", sorted(RESULTS))
def test_it_is_tables_lists_and_quotes(name: str, language: str) -> None:
    text = encode(RESULTS[name](), Presentation(say=messages(language)))
    assert tags(text) <= ALLOWED
    assert messages(language)(f"headline.{RESULTS[name]().verdict.relation}").split()[0] in text.splitlines()[0]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_from_a_file_is_markup(payload: str) -> None:
    text = encode(poisoned(derived(), payload), Presentation())
    assert tags(text) <= ALLOWED
    assert len(text) < 60_000
    assert not set("\x1b\u202e\x07") & set(text)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    widths = [len(re.findall(r"(?<!\\)\|", row)) for row in rows]
    plain = [line for line in encode(derived(), Presentation()).splitlines() if line.startswith("|")]
    assert widths == [len(re.findall(r"(?<!\\)\|", row)) for row in plain]


@pytest.mark.parametrize("words", ["ask @someone", "see #12", "at https://evil.example", "www.evil.example", ":smile:"])
def test_forges_find_nothing_to_link(words: str) -> None:
    text = encode(poisoned(derived(), words), Presentation())
    prose = re.sub(r"`[^`]*`", "", text)
    assert words not in prose
    assert words[-2:] in prose


def test_the_figures_and_the_command_are_there() -> None:
    text = encode(derived(), Presentation())
    assert "p \\< 10^-312, corrected for 38 tests" in text
    assert compare_command(derived()) in text
    assert "`model.layers.{i}.ln14.weight`" in text
