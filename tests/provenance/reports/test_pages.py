"""The pages of scans and identifications: well-formed, inert, in both languages; and their picture of a lineage."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from provenance.identification.result import Candidate, Declared, Identification, Layout
from provenance.jobs.category import Category
from provenance.lineage.graph import Edge, Graph, Node
from provenance.messages import LANGUAGES, messages
from provenance.reports.encoder import Presentation
from provenance.reports.formats import find_encoder
from provenance.reports.html.scan import MOST_ROWS
from provenance.reports.lineage_picture import MOST_BOXES, draw_lineage
from provenance.result import Kind, NotMeasured, Relation, SizeDifference
from provenance.scan.claim import Claimed
from provenance.scan.ledger import Ledger
from provenance.scan.overview import Overview
from provenance.scan.row import Row, State
from tests.browser import CHROMIUM, VIEWS, opened, running
from tests.results import HOSTILE, model

html5lib = pytest.importorskip("html5lib")
PAYLOADS = [
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    HOSTILE,
    "\u0645\u0631\u062d",
    "n" * 10_000,
]


def overview(name: str = "acme/base", *, count: int = 30) -> Overview:
    """Targets below one base, one of them equal to it, a stranger, one that failed and one that waits."""
    done = Row(
        target="",
        state=State.DONE,
        relation=Relation.DERIVED,
        base=name,
        kinds=("fine_tune", name),
        claim=Claimed.CONFIRMED,
        log10_p=-312.4,
        effect=0.98,
        direction="base_to_target",
        declared=(name,),
        licence=name,
        base_licence="apache-2.0",
        bytes_read=1_000_000,
        seconds=0.5,
    )
    rows = [replace(done, target=f"{name}-{number:05}", effect=0.5 + number / 10_000) for number in range(count)]
    rows[0] = replace(rows[0], relation=Relation.IDENTICAL)
    rows += [
        Row(target="stranger", state=State.DONE, relation=Relation.INDEPENDENT, claim=Claimed.NONE),
        Row(target=f"{name} broken", state=State.ERROR, error=Category.CORRUPT, message=f"it ends early: {name}"),
        Row(target="waiting"),
    ]
    return Overview(rows=tuple(rows))


def identification(name: str = "acme/base") -> Identification:
    """A model with two relatives, one through the other."""
    candidate = Candidate(
        name=name,
        names=(name,),
        family=name,
        licence=name,
        parents=(),
        relation=Relation.DERIVED,
        kinds=(Kind(kind="fine_tune"),),
        log10_p=-2974.0,
        effect=0.992,
        distance=0.132,
        equal=0,
        through=None,
        basis="weights",
        clause=f"dependence {name}",
    )
    layout = Layout(
        name=name,
        family=name,
        relation="renamed",
        renamed=(name,),
        sizes=(SizeDifference(dimension="mlp", a=352, b=256),),
        source="library",
        others=(name,),
    )
    return Identification(
        model=model(name),
        candidates=(
            candidate,
            replace(candidate, name="other", log10_p=None, effect=None, distance=None, through=name),
        ),
        closest=(name,),
        layouts=(layout,),
        declared=(Declared(name=name, related=True, closest=True), Declared(name="x", related=None, closest=None)),
        searched=12,
        tested=3,
        alpha=1e-6,
        library=name,
        build_bytes=None,
        not_measured=(NotMeasured(signal="maps", subject=name, reason=f"needs weights {name}"),),
        summary=f"The weights are shared with {name}.",
        seconds=1.0,
    )


MAKERS: dict[str, Any] = {"scan": overview, "identification": identification}


def page(document: Any, language: str = "en") -> str:
    return find_encoder("html", type(document)).encode(document, Presentation(say=messages(language)))


def parsed(text: str) -> Any:
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)


def skeleton(tree: Any) -> list[tuple[Any, tuple[str, ...]]]:
    return [(element.tag, tuple(sorted(element.keys()))) for element in tree.iter() if isinstance(element.tag, str)]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", MAKERS)
def test_a_page_is_well_formed_and_asks_for_nothing(name: str, language: str) -> None:
    tree = parsed(page(MAKERS[name](), language))
    assert tree.get("lang") == language
    identifiers = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(identifiers) == len(set(identifiers))
    assert "verdict" in identifiers
    for element in tree.iter():
        for attribute in ("aria-labelledby", "aria-describedby"):
            assert element.get(attribute, identifiers[0]) in identifiers
    assert not [e for e in tree.iter() if e.get("src") or str(e.get("href", "#"))[0] != "#" or e.get("style")]
    for table in tree.iter("table"):
        heads = ["".join(head.itertext()).strip() for head in table.iter("th")]
        assert all(heads)
        assert {len(row) for row in table.find("tbody")} == {len(heads)}


@pytest.mark.parametrize("payload", PAYLOADS, ids=range(len(PAYLOADS)))
@pytest.mark.parametrize("name", MAKERS)
def test_nothing_from_a_model_is_markup(name: str, payload: str) -> None:
    plain, tree = parsed(page(MAKERS[name]("acme"))), parsed(page(MAKERS[name](payload)))
    assert skeleton(tree) == skeleton(plain)
    assert not set("\x1b\x07\u202e\u200b\ud800") & set("".join(tree.itertext()))
    assert len(page(MAKERS[name](payload))) < 400_000


@pytest.mark.parametrize("name", MAKERS)
def test_the_same_document_gives_the_same_page(name: str) -> None:
    assert page(MAKERS[name]()) == page(MAKERS[name]())


def test_the_page_of_a_scan_counts_lists_and_draws() -> None:
    tree = parsed(page(overview()))
    text = re.sub(r"\s+", " ", " ".join(tree.itertext()))
    for words in ("identical", "derived", "independent", "it ends early: acme/base", "30 MB", "acme/base-00029"):
        assert words in text
    svg = "{http://www.w3.org/2000/svg}"
    assert len(tree.findall(f".//{svg}rect")) == 30
    assert len(tree.findall(f".//{svg}line[@marker-end]")) == 29


def test_a_scan_of_many_models_stays_a_page() -> None:
    text = page(overview(count=5000))
    assert len(text.encode()) < 2_500_000
    tree = parsed(text)
    assert len(tree.findall(".//section[@aria-labelledby='targets-title']//tbody/tr")) == MOST_ROWS
    assert messages()("table.more", count=5003 - MOST_ROWS) in "".join(tree.itertext())
    assert messages()("lineage.capped", count=5000 - MOST_BOXES) in "".join(tree.itertext())


def test_a_scan_of_nothing_is_a_page_too() -> None:
    text = "".join(parsed(page(Overview(rows=()))).itertext())
    assert messages()("scan.nothing") in text
    assert messages()("lineage.none") in text


def test_parents_stand_to_the_left_and_merges_have_two_lines() -> None:
    names = ("base", "child", "grandchild", "merge", "other", "alone")
    edges = (
        Edge(a="base", b="child", directed=True),
        Edge(a="child", b="grandchild", directed=True),
        Edge(a="child", b="merge", directed=True),
        Edge(a="other", b="merge", directed=True),
        Edge(a="child", b="other"),
    )
    found = draw_lineage(Graph(nodes=tuple(Node(name=name) for name in sorted(names)), edges=edges))
    columns = {box.label: box.x for box in found.boxes}
    assert "alone" not in columns
    assert columns["base"] < columns["child"] < columns["grandchild"]
    assert columns["child"] < columns["merge"]
    assert len(found.lines) == 5
    assert sum(line.directed for line in found.lines) == 4
    assert len({(box.x, box.y) for box in found.boxes}) == 5
    assert all(box.x <= found.width and box.y <= found.height for box in found.boxes)


def test_results_write_the_page_in_either_language(tmp_path: Path, capsys) -> None:
    rows = overview().rows
    with Ledger(tmp_path / "scan.db", write=True) as ledger:
        ledger.add(row.target for row in rows)
        for row in rows[:-1]:
            ledger.finish(row)
    for language, words in (("en", "Scan report"), ("zh", "扫描报告")):
        target = tmp_path / f"{language}.html"
        assert run(["results", str(tmp_path / "scan.db"), "-o", str(target), "--lang", language]) == 0
        assert capsys.readouterr().out == ""
        written = target.read_text(encoding="utf-8")
        assert words in written
        assert run(["results", str(tmp_path / "scan.db"), "--format", "html"]) == 0
        assert ("<!doctype html>" in capsys.readouterr().out) == ("acme/base-00001" in written)
    assert run(["results", str(tmp_path / "scan.db"), "-o", str(tmp_path / "page.pdf")]) == 2


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    pytest.importorskip("playwright")
    with running() as found:
        yield found


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", MAKERS)
def test_a_browser_is_content(browser: Any, tmp_path: Path, name: str, view: str) -> None:
    for language in LANGUAGES:
        path = tmp_path / f"{language}.html"
        path.write_text(page(MAKERS[name](), language), encoding="utf-8")
        with opened(browser, path, view) as (shown, seen):
            assert seen.errors == []
            assert seen.requests == [path.as_uri()]
            width, room = shown.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
            assert width <= room


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", MAKERS)
def test_axe_finds_nothing(browser: Any, tmp_path: Path, name: str, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    path = tmp_path / "page.html"
    path.write_text(page(MAKERS[name]()), encoding="utf-8")
    with opened(browser, path, scheme, bypass_csp=True) as (shown, _):
        found = axe.Axe().run(shown).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_the_table_of_a_scan_sorts_and_filters(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(page(overview()), encoding="utf-8")
    with opened(browser, path) as (shown, _):
        section = shown.locator("section[aria-labelledby=targets-title]")
        head = section.locator("thead th").nth(6)
        head.locator("button").click()
        head.locator("button").press("Enter")
        assert head.get_attribute("aria-sort") == "descending"
        values = [text for text in section.locator("tbody tr td:nth-child(7)").all_inner_texts() if text != "-"]
        assert [float(text) for text in values] == sorted(map(float, values), reverse=True)
        section.get_by_label("Filter").fill("stranger")
        assert section.locator("tbody tr:visible").count() == 1
