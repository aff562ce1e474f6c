from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.escaping import prose, visible
from tests.results import HOSTILE

# Hypothesis leaves surrogates out by itself; file names and JSON strings do not.
ANY_TEXT = st.text(alphabet=st.characters(codec=None) | st.characters(categories=["Cs", "Cc", "Cf", "Co", "Cn"]))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("model.layers.0.mlp.gate_proj.weight", "model.layers.0.mlp.gate_proj.weight"),
        ("模型/重み.safetensors", "模型/重み.safetensors"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("bell\x07 c1\x9b2J del\x7f", r"bell\x07 c1\x9b2J del\x7f"),
        ("photo\u202egnp.exe", r"photo\u202egnp.exe"),
        ("\u2066iso\u2069 \u200f\u061c", r"\u2066iso\u2069 \u200f\u061c"),
        ("zero\u200bwidth\ufeff soft\u00adhyphen", r"zero\u200bwidth\ufeff soft\xadhyphen"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("private\ue000 lone\ud800", r"private\ue000 lone\ud800"),
        ("line\u2028paragraph\u2029", r"line\u2028paragraph\u2029"),
        ("no-break\u00a0wide\u3000", r"no-break\xa0wide\u3000"),
        ("blank\u3164letter\u2800", r"blank\u3164letter\u2800"),
        ("e\u0301", "e\u0301"),
        ("z\u0301\u0302\u0303", "z\u0301" + r"\u0302\u0303"),
        ("", ""),
    ],
)
def test_what_does_not_show_is_spelled_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_ascii_spells_out_every_script_and_prose_keeps_its_dashes() -> None:
    assert visible("é → 模", ascii_only=True) == r"\xe9 \u2192 \u6a21"
    assert prose("ln1 → norm \N{EN DASH} ≥ 0.6 …", ascii_only=True) == "ln1 -> norm - >= 0.6 ..."
    assert prose("ln1 → norm") == "ln1 → norm"


def test_long_names_lose_their_middle_and_keep_both_ends() -> None:
    shown = visible("a" * 500 + "z" * 500, limit=30)
    assert len(shown) == 30
    assert shown.startswith("a" * 20)
    assert shown.endswith("z" * 9)
    assert "…" in shown


def test_an_escape_is_never_cut_in_two() -> None:
    for limit in range(1, 60):
        shown = visible("\u202e" * 100, limit=limit)
        assert len(shown) <= limit
        assert shown.replace(r"\u202e", "") in ("", "…")


def test_a_name_of_many_megabytes_costs_nothing() -> None:
    assert len(visible("\x1b" * 50_000_000)) <= 120


@given(text=ANY_TEXT, limit=st.integers(1, 200), ascii_only=st.booleans())
def test_nothing_unsafe_ever_gets_through(text: str, limit: int, ascii_only: bool) -> None:
    for shown in (visible(text, limit=limit, ascii_only=ascii_only), prose(text, limit=limit, ascii_only=ascii_only)):
        assert len(shown) <= limit
        assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
        assert shown.isascii() or not ascii_only
        shown.encode("utf-8")


@given(text=st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=120))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


def test_the_hostile_name_of_the_fixtures_is_hostile() -> None:
    assert "\x1b" in HOSTILE
    assert "\x1b" not in visible(HOSTILE)
