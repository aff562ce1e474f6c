"""The pages as documents: well-formed, self-contained, inert, and readable without eyes; no browser needed."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from importlib.resources import files
from itertools import pairwise
from typing import Any

import pytest

from provenance.messages import LANGUAGES, messages
from provenance.reports.encoder import Presentation
from provenance.reports.html.comparison import MOST_ROWS, encode
from provenance.reports.json import read_result
from provenance.result import Kind, Result
from tests.results import RESULTS, SAVED, derived, independent, large, poisoned

html5lib = pytest.importorskip("html5lib")

CASES: dict[str, Any] = {
    **RESULTS,
    **{path.stem: lambda path=path: read_result(path.read_text()) for path in SAVED},
}
SVG = "{http://www.w3.org/2000/svg}"
STYLE = (files("provenance") / "reports/html/templates/style.css").read_text()
MARKUP = [
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</style><style>*{display:none}</style>",
    "</title></head><body onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "<!-- ",
    "&lt;b&gt;",
    "\u202eevil\u2066\x1b[2J\x00\ud800\N{ZERO WIDTH SPACE}",
    "\u0645\u0631\u062d\u0628\u0627",
    "x" * 10_000,
    "<" * 10_000,
]


def page(result: Result, language: str = "en") -> str:
    return encode(result, Presentation(say=messages(language)))


def parsed(text: str) -> Any:
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    return parser.parse(text)


def skeleton(tree: Any) -> list[tuple[str, tuple[str, ...]]]:
    """Elements and the names of their attributes, in order."""
    return [(element.tag, tuple(sorted(element.keys()))) for element in tree.iter() if isinstance(element.tag, str)]


def words(tree: Any) -> str:
    return re.sub(r"\s+", " ", " ".join(tree.itertext()))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", sorted(CASES))
def test_a_page_is_well_formed_and_its_parts_are_named(name: str, language: str) -> None:
    tree = parsed(page(CASES[name](), language))
    assert tree.get("lang") == language
    identifiers = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(identifiers) == len(set(identifiers))
    for element in tree.iter():
        for attribute in ("aria-labelledby", "aria-describedby"):
            assert element.get(attribute, identifiers[0]) in identifiers
    levels = [int(element.tag[1]) for element in tree.iter() if re.fullmatch("h[1-6]", str(element.tag))]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    for table in tree.iter("table"):
        assert table.find("caption") is not None
        assert all(head.get("scope") in ("col", "row") for head in table.iter("th"))
        width = len(table.find("thead/tr"))
        assert {sum(int(cell.get("colspan", 1)) for cell in row) for row in table.find("tbody")} == {width}
    for scroller in tree.iterfind(".//div[@class='scroll']"):
        assert scroller.get("tabindex") == "0"
        assert scroller.get("aria-label")
    parents = {child: parent for parent in tree.iter() for child in parent}
    assert {parents[field].tag for field in tree.iter("input")} <= {"label"}


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_page_asks_for_nothing_and_runs_only_its_own_script(name: str) -> None:
    text = page(CASES[name]())
    tree = parsed(text)
    assert not [e for e in tree.iter() if e.get("src") or str(e.get("href", "#"))[0] != "#" or e.tag in ("link", "img")]
    assert not [key for e in tree.iter() for key in e.keys() if key.startswith("on") or key == "style"]  # noqa: SIM118
    assert "url(" not in STYLE
    assert "@import" not in STYLE
    policy = tree.find("head/meta[@http-equiv]").get("content")
    assert policy.startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        (element,) = tree.iter(tag)
        digest = base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
        assert element.text.isascii()


@pytest.mark.parametrize("payload", MARKUP)
def test_nothing_from_a_file_is_markup(payload: str) -> None:
    plain, tree = parsed(page(poisoned(derived(), "x"))), parsed(page(poisoned(derived(), payload)))
    assert skeleton(tree) == skeleton(plain)
    shown = "".join(tree.itertext())
    assert not set("\x00\x1b\u202e\u2066\u200b\ud800") & set(shown)
    if payload[:1] in '<"&{':
        assert payload[:60] in shown


def test_long_names_do_not_make_long_pages() -> None:
    assert len(page(poisoned(derived(), "n" * 10_000))) < 150_000


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_of_every_value_of_a_70b_pair_is_small(language: str) -> None:
    text = page(large(), language)
    assert 200_000 < len(text.encode()) < 1_500_000
    tree = parsed(text)
    assert len(tree.findall(".//table[@class='heat']/tbody/tr")) == 80
    assert messages(language)("table.more", count=2 * 560 - MOST_ROWS) in words(tree)


@pytest.mark.parametrize("name", ["derived", "identical", "independent", "inconclusive"])
def test_the_page_says_what_was_found(name: str) -> None:
    result = RESULTS[name]()
    text = words(parsed(page(result)))
    verdict = result.verdict
    for part in (messages()(f"headline.{verdict.relation}")[:5], verdict.summary, verdict.clause, result.a.digest):
        assert part in text
    for entry in result.not_measured:
        assert entry.subject in text
        assert entry.reason in text
    for kind in verdict.kinds:
        assert kind.kind in text
        assert all(key in text for key in kind.parameters)


def test_text_that_the_result_records_is_marked_as_english() -> None:
    tree = parsed(page(derived(), "zh"))
    quoted = [element.text for element in tree.iter("span") if element.get("lang") == "en"]
    assert derived().verdict.summary in quoted
    assert derived().verdict.clause in quoted
    assert "B 的权重派生自 A" in words(tree)


def test_cells_are_shaded_by_both_numbers_and_chance_is_not() -> None:
    cells = [cell.get("class") for cell in parsed(page(derived())).iterfind(".//table[@class='heat']/tbody/tr/td")]
    assert cells.count("s10 z6") == 6
    chance = [cell.get("class") for cell in parsed(page(independent())).iterfind(".//table[@class='heat']/tbody/tr/td")]
    assert chance.count("null") == 6


def test_a_layer_map_is_drawn_and_told() -> None:
    base = derived()
    kind = Kind(kind="pruned_depth", parameters={"layer_map": [0, 1, None, 4], "dropped": [2, 3], "child": "b"})
    tree = parsed(page(replace(base, verdict=replace(base.verdict, kinds=(kind,)))))
    assert len(tree.findall(f".//{SVG}line")) == 3
    assert len(tree.findall(f".//{SVG}circle")) == 4 + 5
    assert len(tree.findall(f".//{SVG}circle[@class='new']")) == 1 + 2
    told = [item.text for item in tree.iterfind(".//ul[@id='map-words']/li")]
    assert told == [
        "layers 0 to 1 of B: layers 0 to 1 of A",
        "layer 2 of B: from no layer of A",
        "layer 3 of B: layer 4 of A",
        "layers of A that B lacks: 2, 3",
    ]


def colors(scheme: str) -> dict[str, str]:
    """The custom properties of a colour scheme."""
    light, dark = (
        dict(re.findall(r"--([\w]+): (#[0-9a-f]{6})", part)) for part in STYLE.split("@media screen and")[:2]
    )
    return light if scheme == "light" else {**light, **dark}


def luminance(color: str) -> float:
    shares = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    brighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_both_colour_schemes(scheme: str) -> None:
    named = colors(scheme)
    pairs = [("ink", "page"), ("ink", "panel"), ("quiet", "page"), ("quiet", "panel"), ("link", "page")]
    pairs += [(tone, "panel") for tone in ("identical", "derived", "common_origin", "independent", "inconclusive")]
    pairs += [("dim", f"s{step}") for step in range(6)] + [("bright", f"s{step}") for step in range(6, 11)]
    found = {(ink, ground): contrast(named[ink], named[ground]) for ink, ground in pairs}
    assert {pair: ratio for pair, ratio in found.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_shades_grow_away_from_the_page(scheme: str) -> None:
    named = colors(scheme)
    distances = [contrast(named[f"s{step}"], named["page"]) for step in range(11)]
    assert distances == sorted(distances)
    assert distances[10] > 7
    assert named["s0"] == named["page"]
