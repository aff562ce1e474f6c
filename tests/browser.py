"""A page in the system's Chromium, as a reader has it: dark, on a phone, on paper; and the pictures of it.

`python -m tests.browser FOLDER` writes the screenshots of a fine-tune's report.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync")
VIEWS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1200, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1200, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}, "color_scheme": "light", "device_scale_factor": 2},
    "print": {"viewport": {"width": 680, "height": 960}, "color_scheme": "light"},
}
"""Paper of 180 mm between its margins is 680 px wide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What happened while a page was open."""

    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def running() -> Iterator[Any]:
    """The browser, for as many pages as are wanted."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


@contextmanager
def opened(browser: Any, path: Path, view: str = "light", *, bypass_csp: bool = False) -> Iterator[tuple[Any, Seen]]:
    """The page in `path`, and what it asked for and complained about; tools need `bypass_csp` to run in it."""
    context = browser.new_context(**VIEWS[view], bypass_csp=bypass_csp)
    page, seen = context.new_page(), Seen()
    page.on("console", lambda message: seen.errors.append(message.text))
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("request", lambda request: seen.requests.append(request.url))
    if view == "print":
        page.emulate_media(media="print")
    page.goto(path.resolve().as_uri())
    yield page, seen
    context.close()


def write_screenshots(browser: Any, path: Path, folder: Path) -> None:
    """The upper part of the page in every view, and the page on paper."""
    for view in VIEWS:
        with opened(browser, path, view) as (page, _):
            page.screenshot(path=folder / f"report-{view}.png")
            if view == "print":
                page.pdf(path=folder / "report.pdf", prefer_css_page_size=True, print_background=True)


def main() -> None:
    from provenance import compare
    from provenance.reports.encoder import Presentation
    from provenance.reports.html.comparison import encode

    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "report.html"
    page.write_text(encode(compare("examples/base", "examples/tuned"), Presentation()), encoding="utf-8")
    with running() as browser:
        write_screenshots(browser, page, folder)


if __name__ == "__main__":
    main()
