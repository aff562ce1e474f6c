"""The pages in a real browser, where one is installed: nothing asked for, nothing overflowing, everything in reach."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provenance.messages import LANGUAGES, messages
from provenance.reports.encoder import Presentation
from provenance.reports.html.comparison import encode
from provenance.reports.json import read_result
from tests.browser import CHROMIUM, VIEWS, opened, running, write_screenshots
from tests.results import RESULTS, SAVED, derived, hostile, large, poisoned

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")]
pytest.importorskip("playwright")

PAGES: dict[str, Any] = {
    **RESULTS,
    **{path.stem: lambda path=path: read_result(path.read_text()) for path in SAVED},
    "markup": lambda: poisoned(derived(), "<img src=x onerror=alert(1)><script>alert(1)</script>"),
    "long names": lambda: poisoned(hostile(), "n" * 10_000),
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with running() as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    for language in LANGUAGES:
        for name, make in PAGES.items():
            text = encode(make(), Presentation(say=messages(language)))
            (folder / f"{name}-{language}.html").write_text(text, encoding="utf-8")
    (folder / "large.html").write_text(encode(large(), Presentation()), encoding="utf-8")
    return folder


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_for_nothing_complains_of_nothing_and_fits(
    browser: Any, folder: Path, name: str, view: str
) -> None:
    for language in LANGUAGES:
        path = folder / f"{name}-{language}.html"
        with opened(browser, path, view) as (page, seen):
            assert seen.errors == []
            assert seen.requests == [path.as_uri()]
            width, room = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
            assert width <= room


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["derived", "independent", "0.1.0-stacked", "0.1.0-every-value"])
def test_axe_finds_nothing(browser: Any, folder: Path, name: str, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    with opened(browser, folder / f"{name}-en.html", scheme, bypass_csp=True) as (page, _):
        for choice in ("#by-cosine", "#by-z"):
            page.check(choice)
            found = axe.Axe().run(page).response["violations"]
            assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []


def test_tables_sort_by_a_click_and_by_a_key(browser: Any, folder: Path) -> None:
    with opened(browser, folder / "large.html") as (page, _):
        table = page.locator("section[aria-labelledby=evidence-title] table.rows").first
        head = table.locator("thead th").nth(2)
        values = lambda: [float(text) for text in table.locator("tbody tr td:nth-child(3)").all_inner_texts()[:50]]  # noqa: E731
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == "ascending"
        assert values() == sorted(values())
        head.locator("button").press("Enter")
        assert head.get_attribute("aria-sort") == "descending"
        names = table.locator("thead th").nth(1)
        names.locator("button").click()
        assert head.get_attribute("aria-sort") is None
        texts = table.locator("tbody tr td:nth-child(2)").all_inner_texts()[:100]
        layers = [int(text.split(".")[2]) for text in texts]
        assert layers == sorted(layers)


def test_long_tables_filter_as_one_types(browser: Any, folder: Path) -> None:
    with opened(browser, folder / "large.html") as (page, _):
        section = page.locator("section[aria-labelledby=evidence-title]")
        section.get_by_label("Filter").first.fill("layers.17.ffn")
        rows = section.locator("table.rows").first.locator("tbody tr:visible")
        assert rows.count() == 3
        assert all("layers.17.ffn" in text for text in rows.all_inner_texts())


def test_the_keyboard_reaches_the_picture_and_scrolls_it(browser: Any, folder: Path) -> None:
    with opened(browser, folder / "large.html", "phone") as (page, _):
        reached = []
        for _ in range(20):
            page.keyboard.press("Tab")
            reached.append(
                page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.id")
            )
            if reached[-1] == "Layers and roles, to be scrolled":
                break
        assert "by-cosine" in reached
        assert reached[-1] == "Layers and roles, to be scrolled"
        page.keyboard.press("ArrowRight")
        page.wait_for_function("document.activeElement.scrollLeft > 0")


def test_screenshots_and_paper_come_from_one_call(browser: Any, folder: Path, tmp_path: Path) -> None:
    write_screenshots(browser, folder / "derived-en.html", tmp_path)
    for view in VIEWS:
        picture = (tmp_path / f"report-{view}.png").read_bytes()
        assert picture[:4] == b"\x89PNG"
        assert 10_000 < len(picture) < 400_000
    assert (tmp_path / "report.pdf").read_bytes()[:5] == b"%PDF-"
